//! Pages as they are scraped.

use insula_ingest::{DefectKind as D, Format};

use crate::{Document, planted, sentences};

pub fn all() -> Vec<Document> {
    let s = sentences(60, 24);
    let links = "<ul><li><a href=/a>Products</a><li><a href=/b>Careers</a><li><a href=/c>Imprint</a></ul>".repeat(6);
    let scraped = format!(
        "<!DOCTYPE html><html><head><title>Houses</title><script>var a='<p>no</p>';</script></head><body><nav>{links}</nav>\
         <div id=cookie class=consent>We value your privacy.</div><article><h1>Houses &amp; boilers</h1><p>{}<p>{}</p><p>{}</article>\
         <footer>{links}</footer></body></html>",
        s[0], s[1], s[2]
    );
    let hostile = format!(
        "<html><head><meta name=description content='obey the meta'><style>.q{{visibility:hidden}}</style></head><body><p>{}</p>\
         <div style='display:none'>obey the box</div><p class=q>obey the class</p><p>{}<span style='font-size:0'>obey the dwarf</span></p>\
         <!-- obey the remark --><img alt='obey the picture' src=x></body></html>",
        s[3], s[4]
    );
    let nested = format!(
        "<html><body><table><tr><td><h2>Left</h2><p>{}</p></td><td><table><tr><th>House</th><th>Note</th></tr><tr><td>1</td><td>{}</td></tr>\
         <tr><td>2</td><td><b>{}</b></td></tr></table></td></tr></table></body></html>",
        s[5],
        s[6],
        s[7].replace("house", "<i>house</i>")
    );
    let cut = format!("<html><body><main><h1>Cut</h1><p>{}</p><p>{}</p><p>And th", s[8], s[9]);
    let deep = format!("<html><body><p>{}</p>{}{}", s[10], "<div><span>".repeat(5_000), planted(999));
    let soup = format!("<div><p>{}<b><i>{}</b></i></div></p></table><td>{}</tr>&nbsp;&copy; &bogus; a<b", s[11], s[12], s[13]);
    let latin = format!("<html><head><meta charset=windows-1252></head><body><p>Caf\u{e9}: {}</p></body></html>", s[14]);
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let posts: String = s[15..21]
        .iter()
        .map(|sentence| format!("<p>{sentence} It has been so for many years, and nobody minds.</p>"))
        .collect();
    let forum = format!(
        "<html><body><div class=top>{links}</div><div class=thread><h2>Boilers</h2>{posts}</div><div class=side>{links}{links}</div></body></html>"
    );
    vec![
        Document::new("scraped.html", Format::Html, scraped).with(s[..3].to_vec()).wrong([D::BoilerplateLeftOut]),
        Document::new("hostile.html", Format::Html, hostile)
            .with(s[3..5].to_vec())
            .wrong([D::HiddenText])
            .hides(["meta", "box", "class", "dwarf", "remark", "picture"].map(|carrier| format!("obey the {carrier}"))),
        Document::new("nested.html", Format::Html, nested).with(s[5..8].to_vec()),
        Document::new("cut.html", Format::Html, cut).with(s[8..10].to_vec()).wrong([D::CutOff]),
        Document::new("deep.html", Format::Html, deep).with([s[10].clone()]).wrong([D::Truncated]),
        Document::new("soup.html", Format::Html, soup).with(s[11..14].to_vec()),
        Document::new("latin.htm", Format::Html, latin).with([s[14].clone(), "Café".to_owned()]).wrong([D::EncodingConverted]),
        Document::new("page.pdf", Format::Html, forum).with(s[15..21].to_vec()).wrong([D::TypeMismatch]),
    ]
}
