//! The deterministic simulator: whole nodes on a simulated disk, network and clock, in virtual
//! time, with everything that can go wrong drawn from one seed. The provider keeps the true bill;
//! the auditor, which shares no code with the ledger, compares it with every budget after each event.
//!
//! What is absent: real time, real files, sockets, threads, and any randomness but the seed's.

pub mod auditor;
pub mod budgets;
pub mod chance;
pub mod clock;
pub mod incident;
pub mod log;
pub mod node;
pub mod provider;
pub mod site;
pub mod workload;
pub mod world;
