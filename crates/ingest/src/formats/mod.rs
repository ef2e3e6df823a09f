//! One file for each format: from its bytes or letters to blocks.

pub(crate) mod csv;
pub(crate) mod email;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod office;
pub(crate) mod pdf;
pub(crate) mod running;
pub(crate) mod subtitles;
pub(crate) mod text;
pub(crate) mod transcript;
