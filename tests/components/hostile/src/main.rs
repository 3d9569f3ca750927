//! The program of a component that means harm.
#![cfg_attr(target_os = "none", no_std, no_main)]

runtime::entry!(run);

#[cfg(target_os = "none")]
fn run(_thread: u32) {
    let Some(config) = runtime::space::config() else { return };
    match config.name {
        "calls" => hostile::roles::calls(config),
        "keeper" => hostile::roles::keeper(config),
        // Its keeper sets it to work.
        "culprit" => {}
        name => match hostile::stacks::number(name) {
            Some(number) => hostile::roles::stack(config, number),
            None => hostile::roles::attempt(name),
        },
    }
}
