//! TCP: sequence numbers and the order of bytes. Knows nothing of what the bytes mean.

mod assembler;
mod buffers;
mod seq;

pub(crate) use assembler::{Assembler, GapCause, Piece, Place, Sink};
pub(crate) use buffers::Buffers;
pub(crate) use seq::Seq;
