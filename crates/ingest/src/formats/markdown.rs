//! Markdown, as GitHub writes it.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::html;
use crate::{BlockKind, Carrier, Defect, DefectKind, Place, draft::Draft, normalise::Lines};

/// Reads it: what is shown as text, comments and what stands for images as hidden.
pub(crate) fn read(text: &str, draft: &mut Draft<'_>) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut page = Page::default();
    let parser = Parser::new_ext(text, options);
    definitions(&parser, draft);
    for event in parser {
        if draft.is_full() {
            return;
        }
        match event {
            Event::Start(tag) => page.start(tag, draft),
            Event::End(tag) => page.end(tag, draft),
            Event::Text(words) | Event::Code(words) => page.words(&words),
            Event::InlineMath(words) | Event::DisplayMath(words) => page.words(&words),
            Event::SoftBreak => page.words("\n"),
            Event::HardBreak => page.words("\n"),
            Event::Html(raw) | Event::InlineHtml(raw) => page.html.push_str(&raw),
            Event::FootnoteReference(name) => page.words(&format!("[{name}]")),
            Event::TaskListMarker(done) => page.words(if done { "[x] " } else { "[ ] " }),
            Event::Rule => {}
        }
        page.end_inline_html(draft);
    }
    page.flush(draft);
    if page.images > 0 {
        draft.defect(Defect::new(DefectKind::ImagesNotRead, "").times(page.images));
    }
    if text.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1 {
        draft.note(DefectKind::CutOff, "a block of code is never closed");
    }
}

/// What is defined for links is shown by none of them: `[//]: # (a comment)`.
fn definitions(parser: &Parser<'_>, draft: &mut Draft<'_>) {
    let mut defined: Vec<_> = parser.reference_definitions().iter().collect();
    defined.sort_unstable_by_key(|(_, definition)| definition.span.start);
    for (label, definition) in defined {
        let title = definition.title.as_deref().unwrap_or_default();
        // An address that leads nowhere makes a comment of the label as well.
        let comment = if title.is_empty() && matches!(&*definition.dest, "" | "#") { label } else { title };
        if !comment.is_empty() {
            draft.hide(Carrier::Comment, &Place::default(), comment);
        }
    }
}

#[derive(Default)]
struct Page {
    kind: Option<BlockKind>,
    words: String,
    html: String,
    in_html_block: bool,
    image: Option<String>,
    metadata: Option<String>,
    cells: Vec<String>,
    in_table: bool,
    in_head: bool,
    images: usize,
}

impl Page {
    fn start(&mut self, tag: Tag<'_>, draft: &mut Draft<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.begin(BlockKind::Heading(level_of(level)), draft),
            Tag::CodeBlock(kind) => {
                self.begin(BlockKind::Code, draft);
                if let CodeBlockKind::Fenced(info) = kind
                    && info.contains(' ')
                {
                    draft.hide(Carrier::Metadata, &Place::default(), &info);
                }
            }
            Tag::Item => self.begin(BlockKind::ListItem, draft),
            Tag::Paragraph if self.kind != Some(BlockKind::ListItem) => self.begin(BlockKind::Paragraph, draft),
            Tag::Paragraph => self.words("\n"),
            Tag::List(_) => self.flush(draft),
            Tag::Table(_) => {
                self.flush(draft);
                self.in_table = true;
            }
            Tag::TableHead => self.in_head = true,
            Tag::HtmlBlock => {
                self.flush(draft);
                self.in_html_block = true;
            }
            Tag::Image { title, .. } => {
                self.images += 1;
                self.image = Some(title_of(&title));
            }
            Tag::Link { title, .. } if !title.is_empty() => draft.hide(Carrier::Metadata, &Place::default(), &title),
            Tag::MetadataBlock(_) => self.metadata = Some(String::new()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, draft: &mut Draft<'_>) {
        match tag {
            TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Item => self.flush(draft),
            TagEnd::Paragraph if self.kind != Some(BlockKind::ListItem) => self.flush(draft),
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.words)),
            TagEnd::TableHead | TagEnd::TableRow => {
                let kind = if self.in_head { BlockKind::TableHead } else { BlockKind::TableRow };
                self.in_head = false;
                draft.add_row(kind, &Place::default(), &std::mem::take(&mut self.cells));
            }
            TagEnd::Table => self.in_table = false,
            TagEnd::Image => {
                if let Some(alt) = self.image.take() {
                    draft.hide(Carrier::AltText, &Place::default(), &alt);
                }
            }
            TagEnd::MetadataBlock(_) => {
                if let Some(metadata) = self.metadata.take() {
                    draft.hide(Carrier::Metadata, &Place::default(), &metadata);
                }
            }
            TagEnd::HtmlBlock => {
                self.in_html_block = false;
                let raw = std::mem::take(&mut self.html);
                html::fragment(&raw, draft);
            }
            _ => {}
        }
    }

    fn words(&mut self, words: &str) {
        let into = self.metadata.as_mut().or(self.image.as_mut()).unwrap_or(&mut self.words);
        into.push_str(words);
    }

    /// Tags within a paragraph are dropped, comments kept apart.
    fn end_inline_html(&mut self, draft: &mut Draft<'_>) {
        if self.in_html_block || self.html.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut self.html);
        if let Some(comment) = raw.strip_prefix("<!--") {
            draft.hide(Carrier::Comment, &Place::default(), comment.strip_suffix("-->").unwrap_or(comment));
        } else if raw.starts_with("<br") {
            self.words("\n");
        }
    }

    fn begin(&mut self, kind: BlockKind, draft: &mut Draft<'_>) {
        self.flush(draft);
        self.kind = Some(kind);
    }

    fn flush(&mut self, draft: &mut Draft<'_>) {
        let words = std::mem::take(&mut self.words);
        let kind = self.kind.take().unwrap_or(BlockKind::Paragraph);
        let lines = if kind == BlockKind::Code { Lines::Verbatim } else { Lines::Flow };
        draft.add_lines(kind, &Place::default(), &words, lines);
    }
}

fn title_of(title: &CowStr<'_>) -> String {
    if title.is_empty() { String::new() } else { format!("{title} ") }
}

fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Format};

    #[test]
    fn definitions_of_links_are_hidden() {
        let text =
            "Open [here][a].\n\n[//]: # (not shown)\n[a]: http://a.example 'tip'\n[a remark]: #\n[b]: http://b.example\n";
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        read(text, &mut draft);
        let reading = draft.finish(Format::Markdown, None, 0);
        let comments = reading.hidden.iter().filter(|hidden| hidden.carrier == Carrier::Comment);
        assert_eq!(comments.map(|hidden| hidden.text.as_str()).collect::<Vec<_>>(), ["not shown", "tip", "a remark"]);
        assert_eq!(reading.text, "Open here.");
    }

    #[test]
    fn what_is_shown_is_text_and_the_rest_is_hidden() {
        let text = "---\nauthor: Ada\n---\n# Lease\n\nThe *notice* period\nis [three](http://a.example \"tip\") months.<!-- secret -->\n\n- one\n- two\n  - three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nlet x;\n  y\n```\n\n![a house](x.png)\n\n<div>shown <span style=\"display:none\">unseen</span></div>\n";
        let bounds = Bounds::default();
        let mut draft = Draft::new(&bounds);
        read(text, &mut draft);
        let reading = draft.finish(Format::Markdown, None, 0);
        assert_eq!(
            reading.text,
            "Lease\n\nThe notice period is three months.\n\none\ntwo\nthree\n\na | b\n1 | 2\n\nlet x;\n  y\n\nshown"
        );
        let mut hidden: Vec<_> = reading.hidden.iter().map(|hidden| (hidden.carrier, hidden.text.as_str())).collect();
        hidden.sort_unstable();
        assert_eq!(
            hidden,
            [
                (Carrier::Metadata, "author: Ada"),
                (Carrier::Metadata, "tip"),
                (Carrier::Comment, "secret"),
                (Carrier::AltText, "a house"),
                (Carrier::HiddenElement, "unseen"),
            ]
        );
    }
}
