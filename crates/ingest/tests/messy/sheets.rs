//! Values: CSV and JSON.

use insula_ingest::{DefectKind as D, Format};

use crate::{Document, sentences};

pub fn all() -> Vec<Document> {
    let s = sentences(100, 16);
    let uneven = format!("House;Note;Day\n1;\"{}\n{}\";3\n2;{}\n3;{};5;6;7\n", s[0].trim_end_matches('.'), "more", s[1], s[2]);
    let cut = format!("house,note\n1,{}\n2,\"{}\n3,never cl", s[3], s[4]);
    let tabs: Vec<u8> = format!("House\tNote\n1\t{}\n2\t{}\n", s[5], s[6]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let json = format!(
        "{{\"houses\":[{{\"nr\":1,\"note\":\"{}\",\"tags\":[\"a\",\"b\"]}},{{\"nr\":2,\"note\":\"{}\"}}],\"closed\":true}}",
        s[7], s[8]
    );
    let cut_json =
        format!("{{\"houses\":[{{\"nr\":1,\"note\":\"{}\"}},{{\"nr\":2,\"note\":\"{}\"}},{{\"nr\":3,\"no", s[9], s[10]);
    let lines = format!("{{\"id\":1,\"text\":\"{}\"}}\n{{\"id\":2,\"text\":\"{}\"}}\nnot json: {}\n", s[11], s[12], s[13]);
    vec![
        Document::new("uneven.csv", Format::Csv, uneven).with(s[1..3].to_vec()).wrong([D::UnevenRows]),
        Document::new("cut.csv", Format::Csv, cut).with(s[3..5].to_vec()).wrong([D::CutOff]),
        Document::new("tabs.csv", Format::Csv, [&[0xff, 0xfe][..], &tabs].concat())
            .with(s[5..7].to_vec())
            .wrong([D::EncodingConverted]),
        Document::new("houses.json", Format::Json, json).with(s[7..9].to_vec()),
        Document::new("cut.json", Format::Json, cut_json).with(s[9..11].to_vec()).wrong([D::CutOff]),
        Document::new("lines.jsonl", Format::Json, lines).with(s[11..14].to_vec()).wrong([D::Malformed]),
    ]
}
