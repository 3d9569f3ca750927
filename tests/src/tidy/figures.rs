//! The book of figures shows those that are committed.

use std::collections::BTreeMap;

/// Name and number of each figure: of the lines that begin with `name` and `committed`.
fn committed(toml: &str) -> BTreeMap<String, Option<f64>> {
    let mut all = BTreeMap::new();
    let mut name = String::new();
    for line in toml.lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"').to_owned();
            all.insert(name.clone(), None);
        } else if let Some(rest) = line.strip_prefix("committed = ") {
            all.insert(name.clone(), rest.parse().ok());
        }
    }
    all
}

/// The rows of the book's table: name, and what was measured.
fn shown(book: &str) -> BTreeMap<String, f64> {
    let table = book.split("## The table").nth(1).unwrap_or_default().split("```").nth(1).unwrap_or_default();
    let rows = table.lines().skip(2).take_while(|line| !line.trim().is_empty());
    let words = rows.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter_map(|words| Some(((*words.first()?).to_owned(), words.get(1)?.parse().ok()?))).collect()
}

/// Figures of which the book says something else than the file.
pub fn differences(book: &str, toml: &str) -> Vec<String> {
    let (committed, shown) = (committed(toml), shown(book));
    let mut found = Vec::new();
    for (name, figure) in &committed {
        match (figure, shown.get(name)) {
            (_, None) => found.push(format!("bench.md shows no `{name}`")),
            (Some(figure), Some(shown)) if (figure - shown).abs() > 0.01 => {
                found.push(format!("bench.md shows {shown} for `{name}`, committed is {figure}"));
            }
            _ => {}
        }
    }
    found.extend(
        shown.keys().filter(|name| !committed.contains_key(*name)).map(|name| format!("`{name}` is no figure")),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "[[figure]]\nname = \"a\"\ncommitted = 3.0\n[[figure]]\nname = \"seen\"\n";

    fn book(row: &str) -> String {
        format!("## The table\n```text\nname measured\n{row}\n\nmore\n```\n")
    }

    #[test]
    fn a_book_with_another_figure_or_none_or_one_too_many_is_found_out() {
        assert_eq!(differences(&book("a 3 4\nseen 9 -"), TOML), Vec::<String>::new());
        assert_eq!(differences(&book("a 4 4\nseen 9 -"), TOML).len(), 1);
        assert_eq!(differences(&book("a 3 4"), TOML).len(), 1);
        assert_eq!(differences(&book("a 3 4\nseen 9 -\nb 7 7"), TOML).len(), 1);
    }
}
