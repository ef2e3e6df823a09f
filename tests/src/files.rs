//! Documents of other formats than text, as small as they can be.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A PDF of these pages, a line each; an empty one is an image, as a scanner leaves it.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
    let image = "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\n\
                 stream\n0\nendstream";
    let mut objects = vec!["<< /Type /Catalog /Pages 2 0 R >>".to_owned(), String::new(), font.to_owned(), image.to_owned()];
    let mut kids = String::new();
    for text in pages {
        let content = match *text {
            "" => "q 595 0 0 842 0 0 cm /Im1 Do Q".to_owned(),
            text => format!("BT /F1 11 Tf 60 700 Td ({}) Tj ET", text.replace('(', "\\(").replace(')', "\\)")),
        };
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
        let resources = "<< /Font << /F1 3 0 R >> /XObject << /Im1 4 0 R >> >>";
        let (contents, page) = (objects.len(), objects.len() + 1);
        let entries = format!("/MediaBox [0 0 595 842] /Resources {resources} /Contents {contents} 0 R");
        objects.push(format!("<< /Type /Page /Parent 2 0 R {entries} >>"));
        write!(kids, "{page} 0 R ").unwrap();
    }
    objects[1] = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len());
    let mut file = "%PDF-1.4\n".to_owned();
    let mut list = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (before, object) in objects.iter().enumerate() {
        writeln!(list, "{:010} 00000 n ", file.len()).unwrap();
        write!(file, "{} 0 obj\n{object}\nendobj\n", before + 1).unwrap();
    }
    let start = file.len();
    write!(file, "{list}trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1).unwrap();
    file.into_bytes()
}

/// A document of Word: its paragraphs, and one that is set to be hidden.
pub fn docx(paragraphs: &[&str], hidden: &str) -> Vec<u8> {
    let paragraph = |properties: &str, text: &str| {
        format!("<w:p><w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
    };
    let mut body: String = paragraphs.iter().map(|text| paragraph("", text)).collect();
    body.push_str(&paragraph("<w:vanish/>", hidden));
    let document =
        format!("<?xml version=\"1.0\"?><w:document xmlns:w=\"urn:w\"><w:body>{body}<w:sectPr/></w:body></w:document>");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in [("[Content_Types].xml", "<Types/>"), ("word/document.xml", &document)] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
