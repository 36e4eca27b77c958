//! The one integration test binary: what the dialects promise to their users, by properties, by
//! recorded traffic, and by the fuzz corpus.

mod chat_cross;
mod chat_request;
mod chat_written;
mod classify;
mod corpus;
mod fault_table;
mod json_check;
mod ollama;
mod recorded;
mod sse_split;
mod stream_chunk;
mod ui_stream;
