//! m
/// f
pub enum ReaderFigure {}
