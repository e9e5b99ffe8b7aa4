//! What must hold for any bytes a peer sends; shared by the fuzz targets and the tests that replay their seeds.

mod frames;
mod properties;

pub use frames::frames;
pub use properties::properties;
