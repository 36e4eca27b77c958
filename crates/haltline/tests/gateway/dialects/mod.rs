//! Every client's dialect against every provider's, with providers that answer byte by byte as they
//! are told: in good order, with errors, broken off, and out of malice.

mod clients;
mod faults;
mod hostile;
mod kept;
mod ordinary;
mod providers;
mod setup;
mod streams;
