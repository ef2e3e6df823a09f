//! XML as a stream: no tree, no entities of the document's own, no depth beyond the bound.

use std::{borrow::Cow, ops::ControlFlow};

use quick_xml::{
    Reader, XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use crate::{Defect, DefectKind, draft::Draft};

/// What comes along.
pub(super) enum Node<'a> {
    /// An element begins: its local name and itself.
    Open(&'a str, &'a BytesStart<'a>),
    /// An element ends.
    Close(&'a str),
    /// Letters.
    Text(Cow<'a, str>),
}

/// Shows every node to `see`, and notes what is wrong with the entry.
pub(super) fn walk(text: &str, entry: &str, draft: &mut Draft<'_>, mut see: impl FnMut(Node<'_>, &mut Draft<'_>)) {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut ignored = 0;
    let mut depth = 0_usize;
    loop {
        if draft.is_full() {
            break;
        }
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                depth += 1;
                if depth > draft.bounds.nesting_depth_max {
                    draft.truncated("nesting_depth_max");
                    break;
                }
                see(Node::Open(tag.local_name().into_inner(), &tag), draft);
            }
            Ok(Event::End(tag)) => {
                depth = depth.saturating_sub(1);
                see(Node::Close(tag.local_name().into_inner()), draft);
            }
            Ok(Event::Text(words)) => see(Node::Text(words.into_inner()), draft),
            Ok(Event::CData(words)) => see(Node::Text(words.into_inner()), draft),
            Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                Ok(Some(c)) => see(Node::Text(Cow::Owned(c.to_string())), draft),
                _ => match resolve_predefined_entity(&reference) {
                    Some(known) => see(Node::Text(Cow::Borrowed(known)), draft),
                    None => ignored += 1,
                },
            },
            Ok(Event::DocType(declaration)) => ignored += declaration.matches("<!ENTITY").count(),
            Ok(Event::Eof) => {
                if depth > 0 {
                    draft.note(DefectKind::CutOff, format!("{entry} ends with {depth} elements open"));
                }
                break;
            }
            Ok(_) => {}
            Err(error) => {
                draft.note(DefectKind::Malformed, format!("{entry}: {error}"));
                break;
            }
        }
    }
    if ignored > 0 {
        draft.defect(Defect::new(DefectKind::EntitiesIgnored, entry).times(ignored));
    }
}

/// The value of an attribute by its local name.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let found = attributes.with_checks(false).flatten().try_for_each(|attribute| {
        if attribute.key.local_name().into_inner() != name {
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned))
    });
    found.break_value().flatten()
}

/// Whether a property is switched on: it is there, and not set to false.
pub(super) fn is_on(tag: &BytesStart<'_>) -> bool {
    attribute(tag, "val").is_none_or(|value| !matches!(value.as_str(), "0" | "false" | "off" | "none"))
}
