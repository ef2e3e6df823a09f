//! Makes PDF.

use std::fmt::Write;

/// A PDF while it is put together; object 1 is the catalog, 2 the tree of pages, 3 the font.
pub struct Pdf {
    objects: Vec<Vec<u8>>,
    pages: Vec<usize>,
}

impl Pdf {
    pub fn new() -> Self {
        let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
        Self { objects: vec![Vec::new(), Vec::new(), font.as_bytes().to_vec()], pages: Vec::new() }
    }

    /// Adds an object; its number.
    pub fn object(&mut self, content: impl Into<Vec<u8>>) -> usize {
        self.objects.push(content.into());
        self.objects.len()
    }

    /// The number that the next object gets.
    pub fn next(&self) -> usize {
        self.objects.len() + 1
    }

    /// Adds a stream; its number.
    pub fn stream(&mut self, entries: &str, content: &[u8]) -> usize {
        let head = format!("<< /Length {} {entries} >>\nstream\n", content.len());
        self.object([head.as_bytes(), content, b"\nendstream"].concat())
    }

    /// Adds a page with this content, and what else its resources and itself have.
    pub fn page(&mut self, content: &str, resources: &str, entries: &str) {
        let content = self.stream("", content.as_bytes());
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /Contents {content} 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> {resources} >> {entries} >>"
        );
        let page = self.object(page);
        self.pages.push(page);
    }

    /// A page of lines, with a size and a gap for each.
    pub fn lines(&mut self, lines: &[(u32, &str)]) {
        let content = lines_at(lines);
        self.page(&content, "", "");
    }

    /// The file.
    pub fn finish(self) -> Vec<u8> {
        self.finish_with("")
    }

    /// The file, its catalog with further entries.
    pub fn finish_with(mut self, catalog: &str) -> Vec<u8> {
        self.objects[0] = format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>").into_bytes();
        let kids: String = self.pages.iter().map(|page| format!("{page} 0 R ")).collect();
        self.objects[1] = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", self.pages.len()).into_bytes();
        let mut file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".to_vec();
        let mut places = Vec::new();
        for (i, object) in self.objects.iter().enumerate() {
            places.push(file.len());
            file.extend_from_slice(format!("{} 0 obj\n", i + 1).as_bytes());
            file.extend_from_slice(object);
            file.extend_from_slice(b"\nendobj\n");
        }
        let list = file.len();
        let mut end = format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1);
        for place in places {
            writeln!(end, "{place:010} 00000 n ").unwrap();
        }
        write!(end, "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{list}\n%%EOF\n", self.objects.len() + 1).unwrap();
        file.extend_from_slice(end.as_bytes());
        file
    }
}

/// Shows lines from the top, each in its size; an empty one leaves a gap.
pub fn lines_at(lines: &[(u32, &str)]) -> String {
    let mut content = String::new();
    let mut y = 780;
    for (size, line) in lines {
        y -= if line.is_empty() { 20 } else { 15 };
        if !line.is_empty() {
            writeln!(content, "BT /F1 {size} Tf 60 {y} Td ({}) Tj ET", escaped(line)).unwrap();
        }
    }
    content
}

pub fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)")
}
