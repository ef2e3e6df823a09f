//! What hides a run of text in Word.

use quick_xml::events::BytesStart;

use super::xml;
use crate::Carrier;

/// Half points: smaller letters cannot be read.
const SIZE_HALF_POINTS_MIN: u32 = 4;

/// How a run is set.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Look {
    vanished: bool,
    white: bool,
    tiny: bool,
    on_ground: bool,
}

impl Look {
    /// Takes a property of the run into account.
    pub(super) fn property(&mut self, name: &str, tag: &BytesStart<'_>) {
        match name {
            "vanish" | "webHidden" => self.vanished = xml::is_on(tag),
            "color" => self.white = xml::attribute(tag, "val").is_some_and(|colour| is_white(&colour)),
            "sz" => {
                let size = xml::attribute(tag, "val").and_then(|size| size.parse::<u32>().ok());
                self.tiny = size.is_some_and(|size| size < SIZE_HALF_POINTS_MIN);
            }
            "shd" => self.on_ground = xml::attribute(tag, "fill").is_some_and(|fill| fill != "auto" && !is_white(&fill)),
            "highlight" => self.on_ground = xml::is_on(tag),
            _ => {}
        }
    }

    /// What it is hidden as, if it is. White letters in a shaded paragraph or cell are seen.
    pub(super) fn hidden(self, on_ground: bool) -> Option<Carrier> {
        if self.vanished {
            return Some(Carrier::HiddenElement);
        }
        (self.tiny || (self.white && !self.on_ground && !on_ground)).then_some(Carrier::InvisibleText)
    }
}

/// White, or so near to it that nobody sees it on paper.
pub(super) fn is_white(colour: &str) -> bool {
    let colour = colour.trim_start_matches('#').to_ascii_uppercase();
    colour.len() == 6 && colour.as_bytes().chunks(2).all(|pair| pair >= b"FC".as_slice() && pair[0] == b'F')
}

/// Whether a fill is darker than white.
pub(super) fn is_ground(tag: &BytesStart<'_>) -> bool {
    xml::attribute(tag, "fill").is_some_and(|fill| fill != "auto" && !is_white(&fill))
}
