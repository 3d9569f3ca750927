//! A server that is also signalled and drives a device: with `bind-events` it hears of both where it receives calls.

use desk::System;
use runtime::{Answer, Endpoint, Handler, Incoming, IrqHandler, Notification, Reply, log, serve, space};

const ROUNDS: u32 = 3;

fn system(keys: &str) -> System {
    let manifest = format!(
        "[system]\nversion = 1\n\
         [component.server]\ncrate = \"server\"\npriority = 140\ndevices = \"rtc\"\n{keys}\n\
         [component.client]\ncrate = \"client\"\n\
         [channel.pong]\nfrom = \"client\"\nto = \"server\"\n\
         [channel.bell]\nkind = \"signal\"\nfrom = \"client\"\nto = \"server\"\n"
    );
    System::text(&manifest).program("server", server).program("client", client).start()
}

struct Server {
    pong: pong::Server,
    bell: u32,
    clock: u32,
    irq: IrqHandler,
}

impl Handler for Server {
    fn handle(&mut self, incoming: &Incoming<'_>, answer: &mut Answer) {
        self.pong.handle(incoming, answer);
    }

    fn notified(&mut self, word: u32) {
        log::info!("bell {=bool}, clock {=bool}", word & self.bell != 0, word & self.clock != 0);
        if word & self.clock != 0 {
            self.irq.ack().expect("it is its own");
        }
    }
}

fn server(_: u32) {
    let config = space::config().expect("it has a configuration");
    let capability = |name| config.capability(name).expect("it has its channel");
    let event = |name| config.event(name);
    let irq = IrqHandler(capability("rtc.irq"));
    let mut server = Server { pong: pong::Server::default(), bell: event("bell"), clock: event("rtc.irq"), irq };
    serve(Endpoint(capability("pong")), Reply(capability("pong.reply")), &mut server);
}

/// Asks, and rings before each time.
fn client(_: u32) {
    let config = space::config().expect("it has a configuration");
    let capability = |name| config.capability(name).expect("it has its channel");
    for number in 0..ROUNDS {
        Notification(capability("bell")).signal().expect("the server is there");
        let answered = ping::round(Endpoint(capability("pong")), number);
        log::info!("answered: {=bool}", answered.is_ok_and(|right| right));
    }
}

#[test]
fn a_server_that_binds_its_events_hears_of_them_between_calls() {
    let mut system = system("bind-events = true\non-crash = \"restart\"");
    system.run();
    assert_eq!(system.log("client"), ["INFO answered: true"; ROUNDS as usize]);
    assert_eq!(system.log("server"), ["INFO bell true, clock false"; ROUNDS as usize]);
    // Nobody calls now; and when it was built again it is as before.
    system.interrupt("rtc");
    system.run();
    assert_eq!(system.log("server").last().unwrap(), "INFO bell false, clock true");
    system.fault("server", desk::FaultKind::Data);
    system.interrupt("rtc");
    system.run();
    system.interrupt("rtc");
    let heard = system.log("server").len();
    system.run();
    assert_eq!(system.log("root").last().unwrap(), "INFO server crashed: restarted, 1 times by now");
    assert_eq!(system.log("server").len(), heard + 1);
}

#[test]
fn one_that_does_not_hears_of_calls_alone() {
    let mut system = system("");
    system.run();
    system.interrupt("rtc");
    system.run();
    assert_eq!(system.log("client"), ["INFO answered: true"; ROUNDS as usize]);
    assert_eq!(system.log("server"), [""; 0]);
}
