//! How well a document could be read.

use serde::{Deserialize, Serialize};

use crate::{Format, Language, Place};

/// A longer detail is cut off.
const DETAIL_CHARS_MAX: usize = 160;

/// What was read of a document, what was not, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the document is, by its bytes.
    pub format: Format,
    /// How its letters were written, such as `UTF-8`; nothing where the format decides.
    pub encoding: Option<String>,
    /// The language of most of the text, where it can be told.
    pub language: Option<Language>,
    /// Size as it came.
    pub source_bytes: usize,
    /// Pages, slides or sheets that were read; 1 where the format has none.
    pub pages: u32,
    /// Characters of the text.
    pub characters: usize,
    /// Everything that is worth knowing before relying on the text.
    pub defects: Vec<Defect>,
    /// Defects that were not listed, because there were more than `defects_max`.
    pub defects_left_out: usize,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defect {
    /// What.
    pub kind: DefectKind,
    /// Where, if at one place.
    pub place: Place,
    /// How often.
    pub count: usize,
    /// Names, for people: a bound, an entry, an encoding.
    pub detail: String,
}

impl Defect {
    /// One defect of this kind.
    pub fn new(kind: DefectKind, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
        }
        Self { kind, place: Place::default(), count: 1, detail }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        Self { place: place.clone(), ..self }
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        Self { count, ..self }
    }
}

/// `page 3: nothing on it (blank)`
impl std::fmt::Display for Defect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(self.kind.meaning())?;
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident $meaning:literal;)+) => {
        /// What can be wrong with a document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DefectKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DefectKind {
            /// What it means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

kinds! {
    /// The bytes are of another format than name or media type say.
    TypeMismatch "is not what its name or media type says";
    /// The letters were written in an encoding other than UTF-8.
    EncodingConverted "was converted to UTF-8";
    /// Parts were written in different encodings.
    EncodingMixed "several encodings are mixed";
    /// UTF-8 had been read as Windows-1252 and written again; the original letters were restored.
    MojibakeRepaired "garbled letters were restored";
    /// Bytes that mean nothing in the encoding.
    InvalidBytes "bytes that stand for no letter were replaced";
    /// NUL and other control characters were taken out.
    ControlsRemoved "control characters were taken out";
    /// Characters of typesetting (ligatures) were spelled out.
    LigaturesExpanded "ligatures were spelled out";
    /// Soft hyphens were taken out.
    SoftHyphensRemoved "soft hyphens were taken out";
    /// Words that were divided at the end of a line were joined.
    HyphenationJoined "words divided at line ends were joined";
    /// Letters and their marks were composed.
    Composed "letters and their marks were composed";
    /// The document ends before it should.
    CutOff "ends before it should";
    /// The syntax of its format is broken somewhere; what could be read was.
    Malformed "breaks the rules of its format";
    /// A page without anything on it.
    EmptyPage "nothing on it";
    /// A page that is an image: its letters were not read.
    ScannedPage "is an image without text: its letters were not read";
    /// The text of the page lies invisibly behind an image, as scanners write it: it was read, and may be misrecognised.
    RecognisedText "its text was recognised by a scanner";
    /// A page that could not be read.
    PageUnreadable "could not be read";
    /// Letters whose meaning the document does not tell.
    UnknownGlyphs "letters without a meaning";
    /// Text that a reader would not see; it was kept apart.
    HiddenText "hidden text, kept apart";
    /// Text that a reader perhaps does not see; it was kept in the text.
    SuspectedHiddenText "text that may be hidden, kept in the text";
    /// A bound was reached; what follows was left out.
    Truncated "was cut off at a bound";
    /// Blocks that repeat an earlier one, word by word.
    DuplicateBlock "repeats an earlier block";
    /// Blocks that are almost like an earlier one.
    NearDuplicateBlock "is almost like an earlier block";
    /// A header or footer of pages: the first was kept, its repetitions were left out.
    RepeatedLine "a header or footer: only its first occurrence was kept";
    /// Navigation, advertisements and other surroundings of a page's main content were left out.
    BoilerplateLeftOut "surroundings of the main content were left out";
    /// An attachment; it was not read.
    AttachmentNotRead "an attachment was not read: upload it by itself";
    /// Images; they were not read.
    ImagesNotRead "images were not read";
    /// Embedded documents, macros and other objects; they were not read.
    ObjectsNotRead "embedded objects were not read";
    /// Rows with more or fewer cells than the first.
    UnevenRows "rows with more or fewer cells than the first";
    /// References to entities that the document defines itself; they were not followed.
    EntitiesIgnored "entities of its own were not followed";
    /// Values of formulas that were never calculated.
    FormulasWithoutValue "formulas without a value";
    /// There is no text in it.
    NoText "has no text";
}

impl DefectKind {
    /// Its name for programs, as it is serialised.
    pub fn code(self) -> String {
        serde_json::to_value(self).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Report {
    /// Whether a defect of this kind is among them.
    pub fn has(&self, kind: DefectKind) -> bool {
        self.defects.iter().any(|defect| defect.kind == kind)
    }
}
