//! What the VMM was given, by name: found once, checked once.

use arrayvec::ArrayVec;
use protocol::config::{Config, VCPUS_MAX, Vm};
use runtime::space::numbered_capability;
use runtime::{Endpoint, Notification, Reply, SchedContext, Tcb, Vcpu};

/// The parts of one vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuParts {
    /// Where its exits arrive.
    pub exits: Endpoint,
    /// The vCPU.
    pub vcpu: Vcpu,
    /// The guest's thread.
    pub guest: Tcb,
    /// Our own thread for its exits.
    pub exit_thread: Tcb,
    /// The vCPU's time.
    pub context: SchedContext,
    /// Where its exit thread keeps the guest's thread.
    pub reply: Reply,
}

/// The parts of the VM.
#[derive(Clone, Debug)]
pub struct Parts {
    /// vCPU by vCPU.
    pub vcpus: ArrayVec<VcpuParts, VCPUS_MAX>,
    /// First capability of the guest's RAM.
    pub ram: u32,
    /// Wakes the console, if there is one.
    pub console: Option<Notification>,
    /// Where threads wait for each other.
    pub lock: Option<Notification>,
}

impl Parts {
    /// Finds them. The error is the name of what is missing.
    pub fn find(config: &Config<'_>, vm: &Vm<'_>) -> Result<Self, &'static str> {
        let named = |name: &'static str| config.capability(name).ok_or(name);
        let mut vcpus = ArrayVec::new();
        for number in 0..usize::from(vm.vcpus).min(VCPUS_MAX) {
            let numbered = |name: &'static str| numbered_capability(config, name, number, "").ok_or(name);
            vcpus.push(VcpuParts {
                exits: Endpoint(numbered("exits.")?),
                vcpu: Vcpu(numbered("vcpu.")?),
                guest: Tcb(numbered("guest.")?),
                exit_thread: Tcb(numbered("exit-thread.")?),
                context: SchedContext(numbered("context.")?),
                reply: Reply(numbered("reply.")?),
            });
        }
        Ok(Self {
            vcpus,
            ram: named("ram.0")?,
            console: config.capability("console.signal").map(Notification),
            lock: config.capability("lock").map(Notification),
        })
    }
}
