//! Documents of Word, PowerPoint and Excel, as offices keep them.

use insula_ingest::{DefectKind as D, Format};

use crate::{
    Document,
    office::{docx, p, p_set, pptx, shape, table, xlsx},
    sentences,
};

pub fn all() -> Vec<Document> {
    [word(), slides(), books()].into_iter().flatten().collect()
}

fn word() -> Vec<Document> {
    let s = sentences(200, 30);
    let styles =
        "<w:styles xmlns:w=\"urn:w\"><w:style w:styleId=\"berschrift1\"><w:name w:val=\"heading 1\"/></w:style></w:styles>";
    let comments = "<w:comments xmlns:w=\"urn:w\"><w:comment w:id=\"1\"><w:p><w:r><w:t>obey the reviewer</w:t></w:r></w:p></w:comment></w:comments>";
    let core = "<cp:coreProperties xmlns:cp=\"c\" xmlns:dc=\"d\"><dc:title>obey the title</dc:title></cp:coreProperties>";
    let notes = format!("<w:footnotes xmlns:w=\"urn:w\"><w:footnote>{}</w:footnote></w:footnotes>", p(&s[4]));
    let inner = table(&[&[p("Inner"), p(&s[2])]]);
    let body = format!(
        "<w:p><w:pPr><w:pStyle w:val=\"berschrift1\"/></w:pPr><w:r><w:t>Houses</w:t></w:r></w:p>{}{}<w:p><w:del><w:r><w:delText>obey the deleted</w:delText></w:r></w:del>\
         <w:ins><w:r><w:t>{}</w:t></w:r></w:ins></w:p>{}{}{}<w:p><w:r><w:drawing><wp:docPr id=\"1\" name=\"x\" descr=\"obey the picture\"/></w:drawing></w:r></w:p>",
        p(&s[0]),
        p_set("<w:vanish/>", "obey the vanished"),
        s[1],
        p_set("<w:color w:val=\"FFFFFF\"/>", "obey the white"),
        p_set("<w:sz w:val=\"2\"/>", "obey the dwarf"),
        table(&[&[p("House"), p("Note")], &[p("1"), format!("{}{}", p(&s[3]), inner)]]),
    );
    let further = [
        ("word/styles.xml", styles.to_owned()),
        ("word/comments.xml", comments.to_owned()),
        ("word/footnotes.xml", notes),
        ("docProps/core.xml", core.to_owned()),
        ("word/media/image1.png", "x".to_owned()),
        ("word/embeddings/oleObject1.bin", "x".to_owned()),
    ];
    let secrets =
        ["reviewer", "title", "deleted", "vanished", "white", "dwarf", "picture"].map(|name| format!("obey the {name}"));
    let long: String = s[5..25].iter().map(|sentence| p(sentence)).collect();
    let whole = docx(&long, &[("word/media/image1.png", "0123456789abcdef".repeat(500))]);
    let entities = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;\">]><w:document xmlns:w=\"urn:w\"><w:body>{}{}</w:body></w:document>",
        p(&s[25]),
        p("&b;")
    );
    let broken = format!("<w:document xmlns:w=\"urn:w\"><w:body>{}{}<w:p><w:r><w:t>and th", p(&s[26]), p(&s[27]));
    vec![
        Document::new("houses.docx", Format::Docx, docx(&body, &further))
            .with(s[..5].to_vec())
            .wrong([D::HiddenText, D::ImagesNotRead, D::ObjectsNotRead])
            .hides(secrets),
        Document::new("cut.docx", Format::Docx, &whole[..whole.len() - 300]).with(s[5..25].to_vec()).wrong([D::CutOff]),
        Document::new("entities.docx", Format::Docx, crate::office::archive(&[("word/document.xml", entities)]))
            .with([s[25].clone()])
            .wrong([D::EntitiesIgnored]),
        Document::new("open.docx", Format::Docx, crate::office::archive(&[("word/document.xml", broken)]))
            .with(s[26..28].to_vec())
            .wrong([D::CutOff]),
        Document::new("letter.txt", Format::Docx, docx(&p(&s[28]), &[])).with([s[28].clone()]).wrong([D::TypeMismatch]),
    ]
}

fn slides() -> Vec<Document> {
    let s = sentences(240, 6);
    let grid = format!(
        "<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>House</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>Note</a:t></a:r></a:p></a:txBody></a:tc></a:tr>\
         <a:tr><a:tc><a:txBody><a:p><a:r><a:t>1</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></p:graphicFrame>",
        s[2]
    );
    let footer = shape("ftr", 0, "House association");
    let slides = [
        ("", format!("{}{}{footer}", shape("title", 0, "Houses"), shape("body", 0, &s[0]))),
        ("show=\"0\"", shape("body", 0, "obey the unshown")),
        ("", String::new()),
        ("", format!("{}{}{grid}{footer}", shape("body", 0, &s[1]), shape("body", 99_000_000, "obey the far one"))),
    ];
    let notes = "<p:notes xmlns:p=\"p\" xmlns:a=\"a\"><a:p><a:r><a:t>obey the notes</a:t></a:r></a:p></p:notes>";
    let further = [
        (
            "ppt/slides/_rels/slide1.xml.rels",
            "<Relationships><Relationship Id=\"n\" Target=\"../notesSlides/notesSlide1.xml\"/></Relationships>".to_owned(),
        ),
        ("ppt/notesSlides/notesSlide1.xml", notes.to_owned()),
    ];
    vec![
        Document::new("houses.pptx", Format::Pptx, pptx(&slides, &further))
            .with(s[..3].to_vec())
            .wrong([D::EmptyPage, D::HiddenText, D::RepeatedLine])
            .hides(["unshown", "far one", "notes"].map(|name| format!("obey the {name}"))),
    ]
}

fn books() -> Vec<Document> {
    let s = sentences(260, 6);
    let strings =
        format!("<sst><si><t>House</t></si><si><t>Note</t></si><si><r><t>{}</t></r><rPh><t>reading</t></rPh></si></sst>", s[0]);
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>".to_owned();
    let rows = format!(
        "<cols><col min=\"4\" max=\"4\" hidden=\"1\"/></cols><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>\
         <row r=\"2\"><c r=\"A2\"><v>7</v></c><c r=\"B2\" t=\"s\"><v>2</v></c><c r=\"C2\" s=\"1\"><v>45292</v></c><c r=\"D2\" t=\"str\"><v>obey the column</v></c></row>\
         <row r=\"3\" hidden=\"1\"><c r=\"A3\" t=\"inlineStr\"><is><t>obey the row</t></is></c></row>\
         <row r=\"9\"><c r=\"B9\" t=\"inlineStr\"><is><t>{}</t></is></c><c r=\"C9\"><f>SUM(A1)</f></c></row></sheetData>",
        s[1]
    );
    let hidden =
        "<sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>obey the sheet</t></is></c></row></sheetData>".to_owned();
    let comments = "<comments><commentList><comment ref=\"A1\"><text><r><t>obey the remark</t></r></text></comment></commentList></comments>";
    let further = [
        ("xl/sharedStrings.xml", strings),
        ("xl/styles.xml", styles),
        ("xl/comments1.xml", comments.to_owned()),
        (
            "xl/worksheets/_rels/sheet1.xml.rels",
            "<Relationships><Relationship Id=\"c\" Target=\"../comments1.xml\"/></Relationships>".to_owned(),
        ),
    ];
    let sheets =
        [("Notes", "visible", rows), ("Secret", "veryHidden", hidden), ("Empty", "visible", "<sheetData/>".to_owned())];
    vec![
        Document::new("houses.xlsx", Format::Xlsx, xlsx(&sheets, &further))
            .with([s[0].clone(), s[1].clone(), format!("7 | {} | 2024-01-01", s[0])])
            .wrong([D::HiddenText, D::EmptyPage, D::FormulasWithoutValue])
            .hides(["column", "row", "sheet", "remark"].map(|name| format!("obey the {name}"))),
    ]
}
