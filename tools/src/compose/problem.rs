//! What is wrong with a manifest, where, and what mends it.

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Report, SourceCode};
use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::Arc;

/// Where something stands in the manifest, in bytes.
pub type Span = Range<usize>;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> At<T> {
    /// A value that stands there.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    place: Option<(Span, String)>,
    also: Vec<(Span, String)>,
    help: Option<String>,
}

impl Problem {
    /// A problem of the whole system.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, also: Vec::new(), help: None }
    }

    /// A problem at a place, which gets a label.
    pub fn at(span: &Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { place: Some((span.clone(), label.into())), ..Self::new(message) }
    }

    /// Another place that has to do with it.
    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.also.push((span.clone(), label.into()));
        self
    }

    /// What mends it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn start(&self) -> usize {
        self.place.as_ref().map_or(usize::MAX, |(span, _)| span.start)
    }
}

#[derive(Debug)]
struct Located {
    problem: Problem,
    source: Arc<NamedSource<String>>,
}

impl Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Located {}

impl Diagnostic for Located {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.place.as_ref().map(|_| &*self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (span, label) = self.problem.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(Some(label.clone()), span.clone());
        let also = self.problem.also.iter();
        let also = also.map(|(span, label)| LabeledSpan::new_with_span(Some(label.clone()), span.clone()));
        Some(Box::new(std::iter::once(first).chain(also)))
    }
}

/// The text of a manifest, with the name that messages call it by.
#[derive(Clone, Debug)]
pub struct Source(Arc<NamedSource<String>>);

impl Source {
    /// A manifest of that name and text.
    pub fn new(name: impl AsRef<str>, text: String) -> Self {
        Self(Arc::new(NamedSource::new(name, text)))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.0.inner()
    }

    /// The problems as reports, in the order of their places.
    pub fn reports(&self, mut problems: Vec<Problem>) -> Vec<Report> {
        problems.sort_by_key(Problem::start);
        problems.dedup();
        problems.into_iter().map(|problem| Report::new(Located { problem, source: self.0.clone() })).collect()
    }
}

/// Reports as text for people, colored if asked.
pub fn render(reports: &[Report], color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
    let mut text = String::new();
    for report in reports {
        // Writing to a string can't fail.
        let _ = handler.render_report(&mut text, report.as_ref());
        text.push('\n');
    }
    text
}

/// The known name that is nearest to a wrong one, as a help text; else all of them.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wrong, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let all: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    match &all[..] {
        [] => "there are none".to_owned(),
        [only] => format!("there is only {only}"),
        all => format!("there are {}", all.join(", ")),
    }
}

/// The known name that is nearest to a wrong one, if it is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, name) = known.into_iter().map(|name| (distance(wrong, name), name)).min()?;
    (distance <= 1 + wrong.chars().count() / 3).then_some(name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = ["kernel", "ram", "cmdline"];
        assert_eq!(did_you_mean("kernal", known), "did you mean `kernel`?");
        assert_eq!(did_you_mean("frobnicate", known), "there are `kernel`, `ram`, `cmdline`");
        assert_eq!(did_you_mean("x", []), "there are none");
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_report_names_file_line_and_column() {
        let source = Source::new("a.toml", "one = 1\ntwo = 2\n".to_owned());
        let text = render(&source.reports(vec![Problem::at(&(8..11), "no two", "here").help("say three")]), false);
        assert!(text.contains("a.toml:2:1") && text.contains("help: say three"), "{text}");
    }
}
