//! Builds the rooms and starts them.
