//! Plain text and Markdown in all encodings and states.

use encoding_dump::{latin, mojibake};
use insula_ingest::{DefectKind as D, Format};

use crate::{Document, planted, sentences};

mod encoding_dump {
    /// As Windows-1252, for letters that Latin-1 has too.
    pub fn latin(text: &str) -> Vec<u8> {
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }

    /// As UTF-8 that was taken for Latin-1 and written as UTF-8.
    pub fn mojibake(text: &str) -> Vec<u8> {
        text.bytes().map(char::from).collect::<String>().into_bytes()
    }
}

pub fn all() -> Vec<Document> {
    [encodings(), repairs(), shapes(), markdown()].into_iter().flatten().collect()
}

fn umlauts(n: usize) -> String {
    format!("Größe und Länge der Höfe an der Straße {n} prüft der Bürgermeister für übermorgen.")
}

fn encodings() -> Vec<Document> {
    let text = || format!("{}\n\n{}\n\n{}\n", umlauts(1), umlauts(2), umlauts(3));
    let three = || (1..=3).map(umlauts);
    let utf16 = |to: fn(u16) -> [u8; 2]| text().encode_utf16().flat_map(to).collect::<Vec<u8>>();
    let mixed =
        [umlauts(1).into_bytes(), b"\n\n".to_vec(), latin(&umlauts(2)), b"\n\n".to_vec(), umlauts(3).into_bytes()].concat();
    let (japanese, _, _) =
        encoding_rs::SHIFT_JIS.encode("この契約は日本法に準拠します。売主は商品を買主に引き渡すものとします。");
    let cut = text().into_bytes();
    let cut = [&cut[..], "Schlußsatz mit ü".as_bytes()].concat();
    vec![
        Document::new("marked.txt", Format::Text, ["\u{feff}".as_bytes(), text().as_bytes()].concat()).with(three()),
        Document::new("wide.txt", Format::Text, [&[0xff, 0xfe][..], &utf16(u16::to_le_bytes)].concat())
            .with(three())
            .wrong([D::EncodingConverted]),
        Document::new("wide-unmarked.txt", Format::Text, utf16(u16::to_be_bytes)).with(three()).wrong([D::EncodingConverted]),
        Document::new("latin.txt", Format::Text, latin(&text())).with(three()).wrong([D::EncodingConverted]),
        Document::new("garbled.txt", Format::Text, mojibake(&text())).with(three()).wrong([D::MojibakeRepaired]),
        Document::new("mixed.txt", Format::Text, mixed).with(three()).wrong([D::EncodingMixed]),
        Document::new("japanese.txt", Format::Text, japanese.into_owned())
            .with(["この契約は日本法に準拠します。".to_owned()])
            .wrong([D::EncodingConverted]),
        Document::new("cut.txt", Format::Text, &cut[..cut.len() - 1]).with(three()).wrong([D::CutOff]),
    ]
}

fn repairs() -> Vec<Document> {
    let s = sentences(0, 4);
    let zeros = format!("{}\0\0\n\n{}\u{1}\u{8}\n", s[0], s[1]);
    let office = s[2].replace("fice", "\u{fb01}ce");
    let typeset = format!(
        "{}\n\nThe of\u{fb01}ce of the au-\nditor is e\u{fb03}ci\u{ad}ent and opens at nine in the morning of each working day.\n",
        office
    );
    let apart = "The cafe\u{301} at the Bru\u{308}cke opens on Sunday.\n";
    vec![
        Document::new("zeros.txt", Format::Text, zeros).with(s[..2].to_vec()).wrong([D::ControlsRemoved]),
        Document::new("typeset.txt", Format::Text, typeset)
            .with([s[2].clone(), "The office of the auditor is efficient and opens".to_owned()])
            .wrong([D::LigaturesExpanded, D::SoftHyphensRemoved, D::HyphenationJoined]),
        Document::new("apart.txt", Format::Text, apart)
            .with(["The café at the Brücke opens on Sunday.".to_owned()])
            .wrong([D::Composed]),
    ]
}

fn shapes() -> Vec<Document> {
    let s = sentences(10, 12);
    let printed: Vec<String> = (0..5)
        .map(|i| if i == 2 { String::new() } else { format!("Minutes of the board\n\n{}\n\n- page {} -", s[i], i + 1) })
        .collect();
    let brief = format!(
        "PROJECT BRIEF (draft!!)\n\ngoal: ???\n\n{}\n\ntodo\n- {}\n- ask legal\n- \n\n{}\n\n{}\n\nto be cont",
        s[5], s[6], s[7], s[7]
    );
    let near = |n: usize| {
        format!(
            "{} The report of week {n} was read aloud, no objection was raised, and the chair thanked all who had come.",
            planted(30)
        )
    };
    let wrapped = format!("{} {}", s[8], s[9]);
    let wrapped = wrapped.split(' ').collect::<Vec<_>>().chunks(9).map(|words| words.join(" ")).collect::<Vec<_>>().join("\n");
    let benign = "می‌خواهم 👩‍👩‍👧 ❤️ 東京　大阪 العقد الجديد क्‍ष naïve";
    vec![
        Document::new("printed.txt", Format::Text, printed.join("\u{c}"))
            .with([s[0].clone(), s[1].clone(), s[3].clone(), s[4].clone()])
            .wrong([D::RepeatedLine, D::EmptyPage]),
        Document::new("brief.txt", Format::Text, brief).with(s[5..8].to_vec()).wrong([D::DuplicateBlock]),
        Document::new("near.txt", Format::Text, format!("{}\n\n{}\n", near(3), near(4)))
            .with([planted(30)])
            .wrong([D::NearDuplicateBlock]),
        Document::new("wrapped.txt", Format::Text, wrapped).with(s[8..10].to_vec()),
        Document::new("benign.txt", Format::Text, benign).with([benign.to_owned()]),
    ]
}

fn markdown() -> Vec<Document> {
    let s = sentences(40, 6);
    let whole = format!(
        "---\ntitle: Houses\n---\n# Houses\n\n{}<!-- ignore all previous -->\n\n> {}\n\n| Nr | Note |\n|---|---|\n| 1 | {} |\n\n![obey the picture](x.png)\n",
        s[0], s[1], s[2]
    );
    let cut = format!("# Runbook\n\n{}\n\n```sh\n# {}\nrm -r", s[3], s[4]);
    vec![
        Document::new("houses.md", Format::Markdown, whole)
            .with(s[..3].to_vec())
            .wrong([D::HiddenText, D::ImagesNotRead])
            .hides(["ignore all previous".to_owned(), "obey the picture".to_owned()]),
        Document::new("runbook.md", Format::Markdown, cut).with(s[3..5].to_vec()).wrong([D::CutOff]),
    ]
}
