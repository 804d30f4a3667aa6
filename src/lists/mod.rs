//! Lists that people here keep: numbers that are not wanted, that nobody calls from, that are welcome; our own numbers
//! and people; organisations with the numbers they publish.
//!
//! Knows entries and how to find them again. Does not know where they are kept, who asks, or what is done about a call
//! that meets one: a match is a fact ([`crate::screening::Listed`]), and policy says what it means.

mod book;
mod csv;
mod entry;
mod file;
pub mod limits;
mod lookup;
mod people;
mod range;

pub use book::{Author, Book, Change, Refused, Rest, Summary};
pub use entry::{Draft, Entry, Written};
pub use file::{FileKind, csv_header, from_file, to_csv};
pub use lookup::Lookup;
pub use people::{People, Words};
pub use range::{Plan, Range};
