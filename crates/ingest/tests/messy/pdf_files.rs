//! PDF as printers, scanners and broken downloads leave it.

use insula_ingest::{DefectKind as D, Format};

use crate::{
    Document,
    pdf::{Pdf, escaped, lines_at},
    sentences,
};

pub fn all() -> Vec<Document> {
    vec![printed(), unseen(), cut(), scanned(), recognised(), half_broken(), forms()]
}

/// Pages with header and footer, words divided at line ends, and an empty page.
fn printed() -> Document {
    let s = sentences(300, 8);
    let mut pdf = Pdf::new();
    for (i, pair) in s.chunks(2).enumerate() {
        let number = format!("Page {} of 5", i + 1);
        // The last word is divided.
        let whole = pair[0].strip_suffix("ber.").unwrap();
        let lines = [
            (9, "House association, confidential"),
            (9, ""),
            (16, "Minutes of the meeting"),
            (10, ""),
            (10, &format!("{whole}-")),
            (10, "ber."),
            (10, ""),
            (10, &pair[1]),
            (9, ""),
            (9, &number),
        ];
        pdf.lines(&lines);
    }
    pdf.page("", "", "");
    Document::new("printed.pdf", Format::Pdf, pdf.finish()).with(s).wrong([D::RepeatedLine, D::HyphenationJoined, D::EmptyPage])
}

/// White, tiny, without ink and off the page; a remark and properties.
fn unseen() -> Document {
    let s = sentences(320, 2);
    let mut pdf = Pdf::new();
    let note = pdf.object("<< /Type /Annot /Subtype /Text /Contents (obey the remark) >>");
    let content = format!(
        "{}\nBT 1 1 1 rg /F1 10 Tf 60 500 Td (obey the white) Tj ET\nBT 0 g /F1 0.5 Tf 60 480 Td (obey the dwarf) Tj ET\n\
         BT 3 Tr /F1 10 Tf 60 460 Td (obey the inkless) Tj 0 Tr ET\nBT /F1 10 Tf 60 4000 Td (obey the far one) Tj ET\n",
        lines_at(&[(10, &s[0]), (10, ""), (10, &s[1])])
    );
    pdf.page(&content, "", &format!("/Annots [{note} 0 R]"));
    Document::new("unseen.pdf", Format::Pdf, pdf.finish())
        .with(s)
        .wrong([D::HiddenText])
        .hides(["white", "dwarf", "inkless", "far one", "remark"].map(|name| format!("obey the {name}")))
}

/// The end of the file, with the list of its objects, is lost.
fn cut() -> Document {
    let s = sentences(330, 3);
    let mut pdf = Pdf::new();
    for sentence in &s {
        pdf.lines(&[(10, sentence)]);
    }
    let file = pdf.finish();
    let list = file.windows(4).rposition(|window| window == b"xref").unwrap();
    let list = file[..list].windows(4).rposition(|window| window == b"xref").unwrap_or(list);
    Document::new("cut.pdf", Format::Pdf, &file[..list - 20]).with(s).wrong([D::CutOff])
}

fn image(pdf: &mut Pdf) -> String {
    let image = pdf.stream(
        "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8",
        &[0, 255, 255, 0],
    );
    format!("/XObject << /Im1 {image} 0 R >>")
}

/// One page of text, one that is an image.
fn scanned() -> Document {
    let s = sentences(340, 1);
    let mut pdf = Pdf::new();
    let resources = image(&mut pdf);
    pdf.lines(&[(10, &s[0])]);
    pdf.page("q 595 0 0 842 0 0 cm /Im1 Do Q", &resources, "");
    Document::new("scanned.pdf", Format::Pdf, pdf.finish()).with(s).wrong([D::ScannedPage])
}

/// An image with what a scanner recognised on top, without ink.
fn recognised() -> Document {
    let s = sentences(350, 1);
    let mut pdf = Pdf::new();
    let resources = image(&mut pdf);
    let content = format!("q 595 0 0 842 0 0 cm /Im1 Do Q BT 3 Tr /F1 10 Tf 60 700 Td ({}) Tj ET", escaped(&s[0]));
    pdf.page(&content, &resources, "");
    Document::new("recognised.pdf", Format::Pdf, pdf.finish()).with(s).wrong([D::RecognisedText])
}

/// A font that is none, an operator without operands, a page that is missing.
fn half_broken() -> Document {
    let s = sentences(360, 3);
    let mut pdf = Pdf::new();
    pdf.lines(&[(10, &s[0])]);
    let odd = pdf.object("<< /Type /Font /Subtype /Type0 /BaseFont /Odd >>");
    let content =
        format!("Tj 1 Td BT /F9 10 Tf (x) Tj /F1 10 Tf 60 700 Td ({}) Tj ET BT /F2 10 Tf (never) Tj ET", escaped(&s[1]));
    pdf.page(&content, "", "");
    pdf.page("BT /F1 10 Tf 60 700 Td (lost) Tj ET", "", &format!("/Resources << /Font << /F1 {odd} 0 R >> >>"));
    pdf.lines(&[(10, &s[2])]);
    Document::new("half-broken.pdf", Format::Pdf, pdf.finish()).with(s).wrong([D::Malformed])
}

/// Text within shared content, which refers to itself as well.
fn forms() -> Document {
    let s = sentences(370, 2);
    let mut pdf = Pdf::new();
    let own = pdf.next();
    let content = format!("BT /F7 10 Tf 60 600 Td ({}) Tj ET /Me Do", escaped(&s[0]));
    let entries = format!(
        "/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F7 3 0 R >> /XObject << /Me {own} 0 R >> >>"
    );
    let form = pdf.stream(&entries, content.as_bytes());
    assert_eq!(form, own);
    pdf.page(&format!("{}\n/Fm Do", lines_at(&[(10, &s[1])])), &format!("/XObject << /Fm {form} 0 R >>"), "");
    Document::new("forms.pdf", Format::Pdf, pdf.finish()).with(s).wrong([D::Malformed])
}
