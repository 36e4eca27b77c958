//! Real processes under `kill -9`: what they owe, and what they have shown, is there afterwards.

mod books;
mod kills;
mod resume_storm;
