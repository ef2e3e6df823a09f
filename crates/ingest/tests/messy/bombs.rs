//! Documents that are made to hurt.

use std::time::{Duration, Instant};

use insula_ingest::{DefectKind, Source, Unreadable};

use crate::{
    check_sound,
    office::{archive, docx, p, xlsx},
    pdf::Pdf,
    planted, reader,
};

/// However slow the machine: a bomb that went off would take hours, or all memory.
const PATIENCE: Duration = Duration::from_secs(60);

fn read(name: &str, bytes: &[u8]) -> Result<insula_ingest::Reading, Unreadable> {
    let reader = reader();
    let begun = Instant::now();
    let answer = reader.read(&Source { name, media_type: None, bytes });
    assert!(begun.elapsed() < PATIENCE, "{name} took {:?}", begun.elapsed());
    if let Ok(reading) = &answer {
        check_sound(reading, &reader.bounds);
    }
    answer
}

#[test]
fn an_archive_that_swells_is_refused() {
    let zeros = " ".repeat(64 * 1024 * 1024);
    let bomb = docx(&p(&zeros), &[]);
    assert!(bomb.len() < 1024 * 1024);
    assert_eq!(read("bomb.docx", &bomb), Err(Unreadable::Bomb { bound: "expansion_ratio_max".into() }));
    let nested = archive(&[("word/document.xml", "<w:t>".repeat(2_000_000))]);
    assert!(matches!(read("nested.docx", &nested), Err(Unreadable::Bomb { .. })));
    let many: Vec<(String, String)> = (0..20_000).map(|i| (format!("word/{i}.xml"), String::new())).collect();
    let many: Vec<(&str, String)> = many.iter().map(|(name, content)| (name.as_str(), content.clone())).collect();
    assert_eq!(read("many.docx", &archive(&many)), Err(Unreadable::Bomb { bound: "entries_max".into() }));
}

#[test]
fn entities_are_not_followed() {
    let mut declarations = "<!ENTITY a0 \"lol\">".to_owned();
    for i in 1..20 {
        declarations.push_str(&format!("<!ENTITY a{i} \"{}\">", format!("&a{};", i - 1).repeat(10)));
    }
    let document = format!(
        "<!DOCTYPE x [{declarations}]><w:document xmlns:w=\"w\"><w:body>{}{}</w:body></w:document>",
        p(&planted(1)),
        p("&a19;")
    );
    let reading = read("laughs.docx", &archive(&[("word/document.xml", document)])).unwrap();
    assert!(reading.text.contains(&planted(1)) && reading.text.len() < 1000);
    assert!(reading.report.has(DefectKind::EntitiesIgnored));
}

#[test]
fn depth_is_bounded_in_every_format() {
    let elements = format!("<w:document xmlns:w=\"w\"><w:body>{}{}", p(&planted(2)), "<w:sdt>".repeat(3_000));
    let deep = [
        ("deep.html", format!("<html><body><p>{}</p>{}", planted(2), "<div><b><a><i>".repeat(200_000)).into_bytes()),
        ("tables.html", format!("<html><body><p>{}</p>{}", planted(2), "<table><tr><td>".repeat(100_000)).into_bytes()),
        ("deep.docx", archive(&[("word/document.xml", elements)])),
        ("deep.md", format!("{}\n\n{}x\n", planted(2), "> ".repeat(50_000)).into_bytes()),
        (
            "lists.md",
            format!("{}\n\n{}", planted(2), (0..3_000).map(|i| format!("{}- x\n", "  ".repeat(i))).collect::<String>())
                .into_bytes(),
        ),
    ];
    for (name, bytes) in deep {
        let reading = read(name, &bytes).unwrap();
        assert!(reading.text.contains(&planted(2)), "{name}: {}", &reading.text[..reading.text.len().min(200)]);
    }
    let json = format!("[\"{}\",{}{}]", planted(2), "[".repeat(500_000), "]".repeat(500_000));
    assert!(read("deep.json", json.as_bytes()).unwrap().report.has(DefectKind::Malformed));
}

#[test]
fn huge_tables_are_cut_off() {
    let csv = format!("house,note\n1,{}\n{}", planted(3), "a,b,c,d,e,f,g,h\n".repeat(200_000));
    let reading = read("huge.csv", csv.as_bytes()).unwrap();
    assert!(reading.text.contains(&planted(3)) && reading.report.has(DefectKind::Truncated));
    let row = format!("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{}</t></is></c></row>", planted(3));
    let far = format!("<sheetData>{row}<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row></sheetData>");
    let reading = read("far.xlsx", &xlsx(&[("S", "visible", far)], &[])).unwrap();
    assert!(reading.text.contains(&planted(3)) && reading.text.len() < 1000, "{}", reading.text.len());
    let page = format!("<html><body><p>{}</p><table>{}</table>", planted(3), "<tr><td colspan=1000000>a<td>b".repeat(60_000));
    assert!(read("huge.html", page.as_bytes()).unwrap().text.contains(&planted(3)));
}

#[test]
fn loops_in_a_pdf_end() {
    let mut pdf = Pdf::new();
    let own = pdf.next();
    pdf.stream(&format!("/Subtype /Form /Resources << /XObject << /Me {own} 0 R >> >>"), &b"/Me Do ".repeat(10));
    pdf.page(&format!("BT /F1 10 Tf 60 700 Td ({}) Tj ET /Me Do", planted(4)), &format!("/XObject << /Me {own} 0 R >>"), "");
    let reading = read("forms.pdf", &pdf.finish()).unwrap();
    assert!(reading.text.contains(&planted(4)), "{}", reading.text);
    for (name, broken) in [
        (
            "kids.pdf",
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 9 >>\nendobj\n",
        ),
        (
            "parent.pdf",
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Parent 2 0 R /Kids [3 0 R] /Count 1 >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R >>\nendobj\n",
        ),
        ("reference.pdf", "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n2 0 R\nendobj\n"),
        (
            "length.pdf",
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] >>\nendobj\n3 0 obj\n<< /Type /Page /Contents 4 0 R >>\nendobj\n4 0 obj\n<< /Length 4 0 R >>\nstream\nBT\nendstream\nendobj\n",
        ),
        ("nested.pdf", &format!("1 0 obj\n<< /Type /Catalog /Pages {}\nendobj\n", "[".repeat(200_000))),
    ] {
        let bytes = format!("%PDF-1.4\n{broken}trailer\n<< /Root 1 0 R >>\n%%EOF\n");
        let answer = read(name, bytes.as_bytes());
        assert!(answer.as_ref().map_or(true, |reading| reading.text.is_empty()), "{name}: {answer:?}");
    }
}
