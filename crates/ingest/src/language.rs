//! The language of a text, as far as its letters tell.

use rust_stemmers::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};
use whatlang::Lang;

/// How much of a text is looked at: enough to be sure, little enough to cost nothing.
const LOOKED_AT_BYTES_MAX: usize = 16 * 1024;

/// A language that can be told from others. Written as its code of ISO 639-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// `ar`
    #[serde(rename = "ar")]
    Arabic,
    /// `bg`
    #[serde(rename = "bg")]
    Bulgarian,
    /// `ca`
    #[serde(rename = "ca")]
    Catalan,
    /// `zh`
    #[serde(rename = "zh")]
    Chinese,
    /// `hr`
    #[serde(rename = "hr")]
    Croatian,
    /// `cs`
    #[serde(rename = "cs")]
    Czech,
    /// `da`
    #[serde(rename = "da")]
    Danish,
    /// `nl`
    #[serde(rename = "nl")]
    Dutch,
    /// `en`
    #[serde(rename = "en")]
    English,
    /// `et`
    #[serde(rename = "et")]
    Estonian,
    /// `fi`
    #[serde(rename = "fi")]
    Finnish,
    /// `fr`
    #[serde(rename = "fr")]
    French,
    /// `de`
    #[serde(rename = "de")]
    German,
    /// `el`
    #[serde(rename = "el")]
    Greek,
    /// `he`
    #[serde(rename = "he")]
    Hebrew,
    /// `hi`
    #[serde(rename = "hi")]
    Hindi,
    /// `hu`
    #[serde(rename = "hu")]
    Hungarian,
    /// `id`
    #[serde(rename = "id")]
    Indonesian,
    /// `it`
    #[serde(rename = "it")]
    Italian,
    /// `ja`
    #[serde(rename = "ja")]
    Japanese,
    /// `ko`
    #[serde(rename = "ko")]
    Korean,
    /// `lv`
    #[serde(rename = "lv")]
    Latvian,
    /// `lt`
    #[serde(rename = "lt")]
    Lithuanian,
    /// `no`
    #[serde(rename = "no")]
    Norwegian,
    /// `fa`
    #[serde(rename = "fa")]
    Persian,
    /// `pl`
    #[serde(rename = "pl")]
    Polish,
    /// `pt`
    #[serde(rename = "pt")]
    Portuguese,
    /// `ro`
    #[serde(rename = "ro")]
    Romanian,
    /// `ru`
    #[serde(rename = "ru")]
    Russian,
    /// `sk`
    #[serde(rename = "sk")]
    Slovak,
    /// `sl`
    #[serde(rename = "sl")]
    Slovenian,
    /// `es`
    #[serde(rename = "es")]
    Spanish,
    /// `sv`
    #[serde(rename = "sv")]
    Swedish,
    /// `ta`
    #[serde(rename = "ta")]
    Tamil,
    /// `th`
    #[serde(rename = "th")]
    Thai,
    /// `tr`
    #[serde(rename = "tr")]
    Turkish,
    /// `uk`
    #[serde(rename = "uk")]
    Ukrainian,
    /// `vi`
    #[serde(rename = "vi")]
    Vietnamese,
}

/// Each language, its code, and what the detector calls it.
const TABLE: &[(Language, &str, Lang)] = &[
    (Language::Arabic, "ar", Lang::Ara),
    (Language::Bulgarian, "bg", Lang::Bul),
    (Language::Catalan, "ca", Lang::Cat),
    (Language::Chinese, "zh", Lang::Cmn),
    (Language::Croatian, "hr", Lang::Hrv),
    (Language::Czech, "cs", Lang::Ces),
    (Language::Danish, "da", Lang::Dan),
    (Language::Dutch, "nl", Lang::Nld),
    (Language::English, "en", Lang::Eng),
    (Language::Estonian, "et", Lang::Est),
    (Language::Finnish, "fi", Lang::Fin),
    (Language::French, "fr", Lang::Fra),
    (Language::German, "de", Lang::Deu),
    (Language::Greek, "el", Lang::Ell),
    (Language::Hebrew, "he", Lang::Heb),
    (Language::Hindi, "hi", Lang::Hin),
    (Language::Hungarian, "hu", Lang::Hun),
    (Language::Indonesian, "id", Lang::Ind),
    (Language::Italian, "it", Lang::Ita),
    (Language::Japanese, "ja", Lang::Jpn),
    (Language::Korean, "ko", Lang::Kor),
    (Language::Latvian, "lv", Lang::Lav),
    (Language::Lithuanian, "lt", Lang::Lit),
    (Language::Norwegian, "no", Lang::Nob),
    (Language::Persian, "fa", Lang::Pes),
    (Language::Polish, "pl", Lang::Pol),
    (Language::Portuguese, "pt", Lang::Por),
    (Language::Romanian, "ro", Lang::Ron),
    (Language::Russian, "ru", Lang::Rus),
    (Language::Slovak, "sk", Lang::Slk),
    (Language::Slovenian, "sl", Lang::Slv),
    (Language::Spanish, "es", Lang::Spa),
    (Language::Swedish, "sv", Lang::Swe),
    (Language::Tamil, "ta", Lang::Tam),
    (Language::Thai, "th", Lang::Tha),
    (Language::Turkish, "tr", Lang::Tur),
    (Language::Ukrainian, "uk", Lang::Ukr),
    (Language::Vietnamese, "vi", Lang::Vie),
];

impl Language {
    /// The language of a text; nothing where it is too short, too mixed or of a language that is not in the table.
    pub fn detect(text: &str) -> Option<Self> {
        let looked_at = &text[..text.floor_char_boundary(LOOKED_AT_BYTES_MAX)];
        let info = whatlang::detect(looked_at).filter(whatlang::Info::is_reliable)?;
        TABLE.iter().find(|(_, _, lang)| *lang == info.lang()).map(|(language, _, _)| *language)
    }

    /// Its code of ISO 639-1.
    pub fn code(self) -> &'static str {
        TABLE.iter().find(|(language, _, _)| *language == self).map_or("", |(_, code, _)| code)
    }

    /// The language of this code of ISO 639-1.
    pub fn from_code(code: &str) -> Option<Self> {
        TABLE.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(code)).map(|(language, _, _)| *language)
    }

    /// What cuts its words down to their stems, where that is known.
    pub(crate) fn stemmer(self) -> Option<Stemmer> {
        let algorithm = match self {
            Language::Arabic => Algorithm::Arabic,
            Language::Danish => Algorithm::Danish,
            Language::Dutch => Algorithm::Dutch,
            Language::English => Algorithm::English,
            Language::Finnish => Algorithm::Finnish,
            Language::French => Algorithm::French,
            Language::German => Algorithm::German,
            Language::Greek => Algorithm::Greek,
            Language::Hungarian => Algorithm::Hungarian,
            Language::Italian => Algorithm::Italian,
            Language::Norwegian => Algorithm::Norwegian,
            Language::Portuguese => Algorithm::Portuguese,
            Language::Romanian => Algorithm::Romanian,
            Language::Russian => Algorithm::Russian,
            Language::Spanish => Algorithm::Spanish,
            Language::Swedish => Algorithm::Swedish,
            Language::Tamil => Algorithm::Tamil,
            Language::Turkish => Algorithm::Turkish,
            _ => return None,
        };
        Some(Stemmer::create(algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        let english = "The parties agree that this contract is governed by the laws of the state in which the seller resides.";
        let german =
            "Die Parteien vereinbaren, dass dieser Vertrag dem Recht des Landes unterliegt, in dem der Verkäufer wohnt.";
        assert_eq!(Language::detect(english), Some(Language::English));
        assert_eq!(Language::detect(german), Some(Language::German));
        assert_eq!(Language::detect("この契約は売主の居住する国の法律に準拠するものとします。"), Some(Language::Japanese));
        assert_eq!(Language::detect("12 345"), None);
    }

    #[test]
    fn each_has_a_code_of_its_own() {
        for (language, code, _) in TABLE {
            assert_eq!(Language::from_code(code), Some(*language));
            assert_eq!(language.code(), *code);
        }
    }
}
