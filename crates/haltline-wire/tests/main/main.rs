//! The one integration test binary: what the dialects promise to their users, by properties, by
//! recorded traffic, and by the fuzz corpus.

mod chat_request;
mod classify;
mod corpus;
mod json_check;
mod media;
mod recorded;
mod sse_split;
mod stream_chunk;
