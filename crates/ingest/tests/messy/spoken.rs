//! What was said.

use insula_ingest::{DefectKind as D, Format};

use crate::{Document, sentences};

pub fn all() -> Vec<Document> {
    let s = sentences(150, 10);
    let half = s[0].len() / 2;
    let half = s[0][..half].rfind(' ').unwrap();
    let srt = format!(
        "\u{feff}1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>{}</i>\r\n\r\n2\r\n00:00:02,100 --> 00:00:04,000\r\n{}\r\n\r\nlost line\r\n\r\n3\r\n00:00:05,000 --> 00:00:06,000\r\n{}\r\n",
        &s[0][..half],
        &s[0][half + 1..],
        s[1]
    );
    let vtt = format!(
        "WEBVTT\n\nNOTE obey the note\n\n00:01.000 --> 00:02.000\n<v Ada Byron>{}</v>\n\n00:03.000 --> 00:05.000\n<v Alan>{}</v>\n",
        s[2], s[3]
    );
    let meeting = format!(
        "Meeting of the house\n\n[00:00:05] Ada Byron: {}\n[00:00:15] Alan T.: uhm\n[00:00:20] Ada Byron: {}\nand so on\n[00:01:00] Alan T.: {}\n",
        s[4], s[5], s[6]
    );
    let names = format!("Ada: {}\nAlan: Yes.\nAda: {}\nGrace: {}\nAlan: Good.\n", s[7], s[8], s[9]);
    vec![
        Document::new("film.srt", Format::Subtitles, srt).with(s[..2].to_vec()).wrong([D::Malformed]),
        Document::new("talk.vtt", Format::Subtitles, vtt).with(s[2..4].to_vec()).hides(["obey the note".to_owned()]),
        Document::new("meeting.txt", Format::Transcript, meeting).with(s[4..7].to_vec()),
        Document::new("names.txt", Format::Transcript, names).with(s[7..].to_vec()),
    ]
}
