//! What tests of systems share.
#![allow(dead_code, reason = "each test file uses some of it")]

use desk::{Setup, System};

/// Ping and pong as on a board.
pub fn pair() -> Setup {
    System::read("../systems/pair.toml").program("ping", ping::run).program("pong", pong::run)
}

/// Ping and pong, and what happens when pong crashes. Its program is given by the test.
pub fn pair_with_policy(on_crash: &str) -> Setup {
    pair_with(&format!("on-crash = \"{on_crash}\""))
}

/// Ping, and pong with these keys. Its program is given by the test.
pub fn pair_with(keys: &str) -> Setup {
    let manifest = format!(
        "[system]\nversion = 1\n\
         [component.ping]\ncrate = \"ping\"\n\
         [component.pong]\ncrate = \"pong\"\n{keys}\n\
         [channel.pong]\nfrom = \"ping\"\nto = \"pong\"\n"
    );
    System::text(&manifest).program("ping", ping::run)
}

/// What some sources have said on the wire, one after the other.
pub fn transcript(system: &System, sources: &[&str]) -> String {
    let said = system.wire();
    let of = |source: &&str| {
        let prefix = format!("[{source}] ");
        said.iter().filter(|line| line.starts_with(&prefix)).map(|line| format!("{line}\n")).collect::<String>()
    };
    sources.iter().map(of).collect()
}

/// What ping says when these rounds of its ten get no answer.
pub fn ping_without(unanswered: &[u32]) -> Vec<String> {
    let round = |number: u32| match unanswered.contains(&number) {
        true => format!("ERROR ping {number}: no answer"),
        false => format!("INFO ping {number}: answered"),
    };
    (0..ping::ROUNDS).map(round).chain(["INFO ping is done".to_owned()]).collect()
}
