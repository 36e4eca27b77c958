//! What a crash may leave behind: nothing, unless the operator wants it. The memory of a gateway
//! holds providers' keys, clients' keys and prompts.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, and with them that another process of the same user reads this one's memory;
/// or leaves everything as the system has it.
pub(super) fn set(allowed: bool) {
    if allowed {
        tracing::warn!("[server] core_dumps = true: a crash may leave keys and prompts in a file");
        return;
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    for failed in [setrlimit(Resource::Core, none), set_dumpable_behavior(DumpableBehavior::NotDumpable)] {
        if let Err(error) = failed {
            tracing::warn!(%error, "core dumps could not be forbidden; see to it where the process is started");
        }
    }
}
