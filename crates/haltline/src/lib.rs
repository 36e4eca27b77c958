//! The binary's library: configuration, shipped prices, command line, wiring. No rule about money,
//! retries or routes is made here; they are read, checked and handed on.

pub mod cli;
pub mod config;
pub mod demo;
pub mod prices;
pub mod run;
pub mod serve;
pub mod tls;
pub mod wiring;
