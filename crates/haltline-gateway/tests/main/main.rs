//! The gateway without a server: jobs, dead letters and kept responses over real accounts, a
//! provider that keeps the bill, and documents that outlive the gateway.

mod dead_letters;
mod guards;
mod jobs;
mod jwt;
mod kept;
mod restart;
mod screening;
mod world;
