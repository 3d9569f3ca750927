//! Ping and pong on the desk, as on a board.

use desk::System;

#[test]
fn ping_gets_its_answers() {
    let started = std::time::Instant::now();
    let mut system =
        System::read("../systems/pair.toml").program("ping", ping::run).program("pong", pong::run).start();
    println!("started after {:?}, {} entries", started.elapsed(), system.kernel_entries());
    system.run();
    println!("{:?}, {} entries", started.elapsed(), system.kernel_entries());
    system.advance_us(200_000);
    println!("{:?}, {} entries", started.elapsed(), system.kernel_entries());
    println!("{:#?}", system.log("root"));
    println!("{:#?}", system.log("ping"));
    println!("{:#?}", system.wire());
}
