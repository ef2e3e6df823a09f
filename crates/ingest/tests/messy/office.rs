//! Makes documents of Word, PowerPoint and Excel.

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// An archive of these entries.
pub fn archive(entries: &[(&str, String)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A document of Word with this body and further entries.
pub fn docx(body: &str, further: &[(&str, String)]) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"urn:w\" xmlns:wp=\"urn:wp\"><w:body>{body}<w:sectPr/></w:body></w:document>"
    );
    let mut entries = vec![("[Content_Types].xml", "<Types/>".to_owned()), ("word/document.xml", document)];
    entries.extend(further.iter().cloned());
    archive(&entries)
}

/// A paragraph of one run.
pub fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

/// A paragraph of one run with properties.
pub fn p_set(properties: &str, text: &str) -> String {
    format!("<w:p><w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r></w:p>")
}

/// A table of Word.
pub fn table(rows: &[&[String]]) -> String {
    let cell = |cell: &String| format!("<w:tc><w:tcPr/>{cell}</w:tc>");
    let rows: String = rows.iter().map(|row| format!("<w:tr>{}</w:tr>", row.iter().map(cell).collect::<String>())).collect();
    format!("<w:tbl>{rows}</w:tbl>")
}

/// Slides, each with attributes and shapes.
pub fn pptx(slides: &[(&str, String)], further: &[(&str, String)]) -> Vec<u8> {
    let mut ids = String::new();
    let mut relations = String::new();
    let mut entries = Vec::new();
    for (i, (attributes, shapes)) in slides.iter().enumerate() {
        ids.push_str(&format!("<p:sldId id=\"{}\" r:id=\"r{i}\"/>", 256 + i));
        relations.push_str(&format!("<Relationship Id=\"r{i}\" Target=\"slides/slide{}.xml\"/>", i + 1));
        let slide =
            format!("<p:sld xmlns:p=\"p\" xmlns:a=\"a\" {attributes}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>");
        entries.push((format!("ppt/slides/slide{}.xml", i + 1), slide));
    }
    entries.push((
        "ppt/presentation.xml".into(),
        format!("<p:presentation xmlns:p=\"p\" xmlns:r=\"r\"><p:sldIdLst>{ids}</p:sldIdLst><p:sldSz cx=\"9144000\" cy=\"6858000\"/></p:presentation>"),
    ));
    entries.push(("ppt/_rels/presentation.xml.rels".into(), format!("<Relationships>{relations}</Relationships>")));
    let entries: Vec<(&str, String)> =
        entries.iter().map(|(name, content)| (name.as_str(), content.clone())).chain(further.iter().cloned()).collect();
    archive(&entries)
}

/// A shape of a slide: its kind of placeholder, where it lies, and its text.
pub fn shape(kind: &str, x: i64, text: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id=\"2\" name=\"x\"/><p:nvPr><p:ph type=\"{kind}\"/></p:nvPr></p:nvSpPr><p:spPr><a:xfrm><a:off x=\"{x}\" y=\"0\"/>\
         <a:ext cx=\"100\" cy=\"100\"/></a:xfrm></p:spPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
    )
}

/// A book of sheets: name, state and rows as XML.
pub fn xlsx(sheets: &[(&str, &str, String)], further: &[(&str, String)]) -> Vec<u8> {
    let mut list = String::new();
    let mut relations = String::new();
    let mut entries = Vec::new();
    for (i, (name, state, rows)) in sheets.iter().enumerate() {
        list.push_str(&format!("<sheet name=\"{name}\" state=\"{state}\" sheetId=\"{i}\" r:id=\"r{i}\"/>"));
        relations.push_str(&format!("<Relationship Id=\"r{i}\" Target=\"worksheets/sheet{}.xml\"/>", i + 1));
        entries.push((format!("xl/worksheets/sheet{}.xml", i + 1), format!("<worksheet>{rows}</worksheet>")));
    }
    entries.push(("xl/workbook.xml".into(), format!("<workbook xmlns:r=\"r\"><sheets>{list}</sheets></workbook>")));
    entries.push(("xl/_rels/workbook.xml.rels".into(), format!("<Relationships>{relations}</Relationships>")));
    let entries: Vec<(&str, String)> =
        entries.iter().map(|(name, content)| (name.as_str(), content.clone())).chain(further.iter().cloned()).collect();
    archive(&entries)
}
