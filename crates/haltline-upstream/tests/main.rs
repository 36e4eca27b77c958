//! The pool, the upstream of every provider and the simulated model, against servers written out
//! by hand, and against hyper's own server where HTTP/2 is spoken.

mod answers;
mod cost;
mod download;
mod faults;
mod guards;
mod http2;
mod http2_ends;
mod load;
mod providers;
mod reuse;
mod simulated;
mod streams;
mod support;
mod tls;
mod tls_server;
