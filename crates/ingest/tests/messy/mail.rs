//! Letters.

use insula_ingest::{DefectKind as D, Format};

use crate::{Document, sentences};

const HEAD: &str =
    "From: Ada <ada@a.example>\r\nTo: Alan <alan@b.example>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\n";

pub fn all() -> Vec<Document> {
    let s = sentences(130, 8);
    let quoted = s[1].replace("before", "be=\r\nfore");
    let both = format!(
        "{HEAD}Subject: =?iso-8859-1?q?H=F6fe?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\nGr=FC=DFe\r\n> {quoted}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>{}</p><p hidden>obey the letter</p>\r\n--b--\r\n",
        s[0], s[0]
    );
    let attached = format!(
        "{HEAD}Subject: plans\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<div>{}</div><div>{}</div>\r\n--b\r\nContent-Type: application/zip; name=plans.zip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=plans.zip\r\n\r\nUEsDBA==\r\n--b--\r\n",
        s[2], s[3]
    );
    let cut = format!(
        "{HEAD}Subject: cut\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{}\r\n\r\n{}\r\n",
        s[4], s[5]
    );
    vec![
        Document::new("both.eml", Format::Email, both)
            .with([s[0].clone(), s[1].clone(), "Grüße".to_owned(), "Höfe".to_owned()])
            .hides(["obey the letter".to_owned()]),
        Document::new("attached.eml", Format::Email, attached).with(s[2..4].to_vec()).wrong([D::AttachmentNotRead]),
        Document::new("cut.eml", Format::Email, cut).with(s[4..6].to_vec()).wrong([D::CutOff]),
    ]
}
