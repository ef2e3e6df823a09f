//! What is put onto a page: its letters, seen and unseen, and whether there are images. Forms (content that pages share) are laid
//! out in place, so that what comes of it holds operations of text alone.

use std::collections::HashMap;

use lopdf::{
    Dictionary, Document, Object, ObjectId,
    content::{Content, Operation},
};

/// Operations of one page, all its forms laid out.
const OPERATIONS_MAX: usize = 500_000;
/// Forms within forms.
const FORMS_DEPTH_MAX: usize = 8;
/// Nodes above a page.
const PARENTS_MAX: usize = 64;
/// A4, where no size is to be found.
const MEDIA_BOX: [f32; 4] = [0.0, 0.0, 595.0, 842.0];

/// A page's operations of text, and what else is known of it.
#[derive(Debug, Default)]
pub(super) struct Ink {
    pub(super) visible: Vec<Operation>,
    /// Letters without ink, or white on white; nothing where all is visible.
    pub(super) hidden: Vec<Operation>,
    /// The fonts that the operations name.
    pub(super) fonts: Dictionary,
    pub(super) images: usize,
    /// All letters are without ink and lie over an image.
    pub(super) recognised: bool,
    /// White letters that may have a ground.
    pub(super) suspected: usize,
    /// Some of the content makes no sense.
    pub(super) broken: bool,
    /// There were more operations than are looked at.
    pub(super) cut: bool,
}

/// What a page holds.
pub(super) fn of(document: &Document, page: ObjectId) -> Ink {
    let mut press = Press { document, ink: Ink::default(), state: State::default(), painted: false, shown: 0, without_ink: 0 };
    let empty = Dictionary::new();
    let resources = inherited(document, page, b"Resources").and_then(|object| object.as_dict().ok()).unwrap_or(&empty);
    let mut content = Vec::new();
    for id in document.get_page_contents(page) {
        match document.get_object(id).and_then(Object::as_stream).and_then(|stream| stream.get_plain_content()) {
            Ok(part) => content.extend_from_slice(&part),
            Err(_) => press.ink.broken = true,
        }
        content.push(b'\n');
    }
    press.stream(&content, resources, "", 0);
    let mut ink = press.ink;
    if press.shown == 0 && press.without_ink > 0 && ink.images > 0 {
        // What a scanner recognised lies invisibly over what it saw.
        ink.visible = std::mem::take(&mut ink.hidden);
        ink.recognised = true;
    }
    if press.without_ink == 0 {
        ink.hidden.clear();
    }
    ink
}

/// A page's property, its own or that of a node above.
fn inherited<'a>(document: &'a Document, page: ObjectId, key: &[u8]) -> Option<&'a Object> {
    let mut node = document.get_dictionary(page).ok()?;
    for _ in 0..PARENTS_MAX {
        if let Ok(object) = node.get_deref(key, document) {
            return Some(object);
        }
        node = node.get_deref(b"Parent", document).ok()?.as_dict().ok()?;
    }
    None
}

/// The size of a page.
pub(super) fn media_box(document: &Document, page: ObjectId) -> [f32; 4] {
    let sides = || {
        let sides = inherited(document, page, b"MediaBox")?.as_array().ok()?;
        let sides: Vec<f32> = sides.iter().filter_map(|side| document.dereference(side).ok()?.1.as_float().ok()).collect();
        <[f32; 4]>::try_from(sides).ok()
    };
    sides().filter(|sides| sides.iter().all(|side| side.is_finite())).unwrap_or(MEDIA_BOX)
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    without_ink: bool,
    white: bool,
    has_font: bool,
}

struct Press<'a> {
    document: &'a Document,
    ink: Ink,
    state: State,
    /// Whether anything but white was painted before.
    painted: bool,
    shown: usize,
    without_ink: usize,
}

impl<'a> Press<'a> {
    fn stream(&mut self, content: &[u8], resources: &'a Dictionary, prefix: &str, depth: usize) {
        let Ok(content) = Content::decode(content) else {
            self.ink.broken = true;
            return;
        };
        let fonts = resources.get_deref(b"Font", self.document).and_then(Object::as_dict).ok();
        let mut names: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        let mut saved = Vec::new();
        for operation in content.operations {
            if self.ink.visible.len() + self.ink.hidden.len() >= OPERATIONS_MAX {
                self.ink.cut = true;
                return;
            }
            match operation.operator.as_str() {
                "q" => {
                    saved.push(self.state);
                    self.both(operation);
                }
                "Q" => {
                    self.state = saved.pop().unwrap_or(self.state);
                    self.both(operation);
                }
                "Tf" => self.font(operation, fonts, prefix, &mut names),
                "Do" => self.object(&operation, resources, prefix, depth),
                "Tr" => self.state.without_ink = matches!(operation.operands.first().map(Object::as_i64), Some(Ok(3 | 7))),
                "Tj" | "TJ" | "'" | "\"" => self.show(operation),
                "BT" | "ET" | "T*" => self.both(operation),
                "Td" | "TD" if numbers(&operation, 2) => self.both(operation),
                "Tm" | "cm" if numbers(&operation, 6) => self.both(operation),
                "Tc" | "Tw" | "Tz" | "TL" | "Ts" if numbers(&operation, 1) => self.both(operation),
                "g" | "rg" | "k" | "sc" | "scn" => self.state.white = is_white(&operation),
                "cs" => self.state.white = false,
                "f" | "F" | "f*" | "B" | "B*" | "b" | "b*" => self.painted |= !self.state.white,
                "sh" => self.painted = true,
                "BI" | "EI" | "ID" => {
                    self.ink.images += usize::from(operation.operator != "EI");
                    self.painted = true;
                }
                _ => {}
            }
        }
    }

    fn both(&mut self, operation: Operation) {
        self.ink.hidden.push(operation.clone());
        self.ink.visible.push(operation);
    }

    /// Fonts of forms get names of their own.
    fn font(
        &mut self,
        mut operation: Operation,
        fonts: Option<&'a Dictionary>,
        prefix: &str,
        names: &mut HashMap<Vec<u8>, Vec<u8>>,
    ) {
        let (Some(Ok(name)), Some(Ok(_))) =
            (operation.operands.first().map(Object::as_name), operation.operands.get(1).map(Object::as_float))
        else {
            self.ink.broken = true;
            return;
        };
        let font = fonts.and_then(|fonts| fonts.get(name).ok());
        let Some(font) = font.filter(|font| self.document.dereference(font).is_ok_and(|(_, font)| font.as_dict().is_ok()))
        else {
            self.ink.broken = true;
            self.state.has_font = false;
            return;
        };
        let own = names.entry(name.to_vec()).or_insert_with(|| {
            let own = [prefix.as_bytes(), name].concat();
            self.ink.fonts.set(own.clone(), font.clone());
            own
        });
        operation.operands[0] = Object::Name(own.clone());
        self.state.has_font = true;
        self.both(operation);
    }

    /// An image is counted, a form laid out.
    fn object(&mut self, operation: &Operation, resources: &'a Dictionary, prefix: &str, depth: usize) {
        let objects = resources.get_deref(b"XObject", self.document).and_then(Object::as_dict);
        let name = operation.operands.first().and_then(|name| name.as_name().ok());
        let (Ok(objects), Some(name)) = (objects, name) else { return };
        let Ok(stream) = objects.get_deref(name, self.document).and_then(Object::as_stream) else { return };
        if stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Image") {
            self.ink.images += 1;
            self.painted = true;
            return;
        }
        if depth >= FORMS_DEPTH_MAX {
            self.ink.broken = true;
            return;
        }
        let Ok(content) = stream.get_plain_content() else {
            self.ink.broken = true;
            return;
        };
        let own = stream.dict.get_deref(b"Resources", self.document).and_then(Object::as_dict).unwrap_or(resources);
        let outer = self.state;
        self.both(Operation::new("q", vec![]));
        if let Ok(matrix) = stream.dict.get_deref(b"Matrix", self.document).and_then(Object::as_array) {
            let moved = Operation::new("cm", matrix.clone());
            if numbers(&moved, 6) {
                self.both(moved);
            }
        }
        let prefix = format!("{prefix}{}.", String::from_utf8_lossy(name).replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        self.stream(&content, own, &prefix, depth + 1);
        self.both(Operation::new("Q", vec![]));
        self.state = outer;
    }

    fn show(&mut self, operation: Operation) {
        if !is_sound(&operation) || !self.state.has_font {
            self.ink.broken = true;
            return;
        }
        let white = self.state.white && !self.painted;
        if self.state.white && self.painted {
            self.ink.suspected += 1;
        }
        let moves = matches!(operation.operator.as_str(), "'" | "\"");
        let (into, other) = if self.state.without_ink || white {
            self.without_ink += 1;
            (&mut self.ink.hidden, &mut self.ink.visible)
        } else {
            self.shown += 1;
            (&mut self.ink.visible, &mut self.ink.hidden)
        };
        if moves {
            // These go to the next line first, and one of them sets spacing; the letters come last.
            into.push(Operation::new("T*", vec![]));
            other.push(Operation::new("T*", vec![]));
            into.push(Operation::new("Tj", operation.operands.into_iter().next_back().into_iter().collect()));
        } else {
            into.push(operation);
        }
    }
}

fn numbers(operation: &Operation, count: usize) -> bool {
    operation.operands.len() == count && operation.operands.iter().all(|operand| operand.as_float().is_ok_and(f32::is_finite))
}

fn is_sound(operation: &Operation) -> bool {
    matches!(
        (operation.operator.as_str(), operation.operands.as_slice()),
        ("Tj" | "'", [Object::String(..)]) | ("TJ", [Object::Array(_)]) | ("\"", [_, _, Object::String(..)])
    )
}

fn is_white(operation: &Operation) -> bool {
    let numbers: Vec<f32> = operation.operands.iter().filter_map(|operand| operand.as_float().ok()).collect();
    match (operation.operator.as_str(), numbers.as_slice()) {
        ("g", [grey]) => *grey > 0.98,
        (_, rgb @ [_, _, _]) => rgb.iter().all(|part| *part > 0.98),
        (_, cmyk @ [_, _, _, _]) => cmyk.iter().all(|part| *part < 0.02),
        _ => false,
    }
}
