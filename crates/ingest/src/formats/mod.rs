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

/// What a reader of letters makes of a text: what the tests of each begin with.
#[cfg(test)]
fn reading_of(text: &str, format: crate::Format, read: fn(&str, &mut crate::draft::Draft<'_>)) -> crate::Reading {
    let bounds = crate::Bounds::default();
    let mut draft = crate::draft::Draft::new(&bounds);
    read(text, &mut draft);
    draft.finish(format, None, 0)
}
