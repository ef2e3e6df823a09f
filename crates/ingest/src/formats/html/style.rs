//! What styles hide.

use crate::Carrier;

/// Styles of pages are read up to here.
const SHEET_BYTES_MAX: usize = 256 * 1024;
/// So many rules that hide are remembered.
const RULES_MAX: usize = 1_000;

/// Classes and ids that a page's own style sheets hide.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    classes: Vec<(String, Carrier)>,
    ids: Vec<(String, Carrier)>,
}

impl Sheet {
    /// Reads rules whose selector is one class or one id, or a list of such; conditional ones are passed over.
    pub(super) fn add(&mut self, css: &str) {
        let mut in_condition = 0_usize;
        for rule in css[..css.floor_char_boundary(SHEET_BYTES_MAX)].split_inclusive('}') {
            let Some((selectors, declarations)) = rule.split_once('{') else {
                in_condition = in_condition.saturating_sub(1);
                continue;
            };
            if selectors.trim_start().starts_with('@') {
                // `@media ... { .a { ... } }`: what is hidden on paper is not hidden.
                in_condition += usize::from(!selectors.contains("@font-face"));
                continue;
            }
            if in_condition > 0 || self.classes.len() + self.ids.len() >= RULES_MAX {
                continue;
            }
            let Some(carrier) = hides(declarations.trim_end_matches('}')) else { continue };
            for selector in selectors.split(',').map(str::trim) {
                let plain =
                    |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
                if let Some(class) = selector.rsplit_once('.').map(|(_, class)| class).filter(|class| plain(class)) {
                    self.classes.push((class.to_owned(), carrier));
                } else if let Some(id) = selector.strip_prefix('#').filter(|id| plain(id)) {
                    self.ids.push((id.to_owned(), carrier));
                }
            }
        }
    }

    /// What hides an element of these classes and this id.
    pub(super) fn hides(&self, classes: Option<&str>, id: Option<&str>) -> Option<Carrier> {
        let by = |rules: &[(String, Carrier)], name: &str| {
            rules.iter().find(|(known, _)| known == name).map(|(_, carrier)| *carrier)
        };
        let by_class = classes.unwrap_or_default().split_ascii_whitespace().find_map(|class| by(&self.classes, class));
        by_class.or_else(|| by(&self.ids, id?))
    }
}

/// Texts that a style sheet puts onto the page.
pub(super) fn contents(css: &str) -> impl Iterator<Item = &str> {
    let css = &css[..css.floor_char_boundary(SHEET_BYTES_MAX)];
    css.split("content:").skip(1).filter_map(|rest| {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest.get(1..)?.split(quote).next()
    })
}

/// Whether declarations hide an element, and as what.
pub(super) fn hides(declarations: &str) -> Option<Carrier> {
    let mut found = None;
    let mut colour = None;
    let mut ground = None;
    let mut clipped = false;
    let mut flat = false;
    for declaration in declarations.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim().trim_end_matches("!important").trim().to_ascii_lowercase();
        match name.as_str() {
            "display" if value == "none" => found = Some(Carrier::HiddenElement),
            "visibility" if value == "hidden" || value == "collapse" => found = Some(Carrier::HiddenElement),
            "opacity" if number(&value).is_some_and(|n| n < 0.05) => found = Some(Carrier::InvisibleText),
            "font-size"
                if number(&value).is_some_and(|n| n < if value.ends_with("em") { 0.15 } else { 2.5 })
                    && !value.ends_with('%') =>
            {
                found = Some(Carrier::InvisibleText);
            }
            "text-indent" | "left" | "top" | "right" | "bottom" | "margin-left" | "margin-top"
                if number(&value).is_some_and(|n| n <= -900.0) =>
            {
                found = Some(Carrier::InvisibleText);
            }
            "transform" if value.contains("scale(0") => found = Some(Carrier::InvisibleText),
            "clip" if value.replace(' ', "").starts_with("rect(0") => found = Some(Carrier::HiddenElement),
            "width" | "height" | "max-height" | "max-width"
                if number(&value).is_some_and(|n| n <= 1.0) && !value.ends_with("em") && !value.ends_with('%') =>
            {
                flat = true
            }
            "overflow" if value == "hidden" => clipped = true,
            "color" => colour = Some(value),
            "background" | "background-color" => ground = Some(value),
            _ => {}
        }
    }
    if flat && clipped {
        found = found.or(Some(Carrier::HiddenElement));
    }
    let colour = colour.unwrap_or_default();
    if colour == "transparent" || (!colour.is_empty() && ground.as_deref() == Some(colour.as_str())) {
        found = found.or(Some(Carrier::InvisibleText));
    }
    found
}

/// Whether declarations write in white.
pub(super) fn is_white(declarations: &str) -> bool {
    value_of(declarations, "color").is_some_and(|colour| is_white_value(&colour))
}

/// Whether declarations give a ground on which white can be read.
pub(super) fn has_dark_ground(declarations: &str) -> bool {
    ["background", "background-color", "background-image"].iter().any(|name| {
        value_of(declarations, name).is_some_and(|value| !is_white_value(&value) && value != "transparent" && value != "none")
    })
}

pub(super) fn is_white_value(value: &str) -> bool {
    matches!(
        value.replace(' ', "").as_str(),
        "white" | "#fff" | "#ffffff" | "#fefefe" | "#fdfdfd" | "rgb(255,255,255)" | "rgba(255,255,255,1)"
    )
}

fn value_of(declarations: &str, name: &str) -> Option<String> {
    declarations.split(';').filter_map(|declaration| declaration.split_once(':')).find_map(|(known, value)| {
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_end_matches("!important").trim().to_ascii_lowercase())
    })
}

fn number(value: &str) -> Option<f64> {
    let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    value[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_hiding_are_known() {
        for css in [
            "display:none",
            "DISPLAY: None !important",
            "opacity:0",
            "font-size:0",
            "font-size: 1px",
            "position:absolute; left:-9999px",
            "color:#fff;background:#fff",
            "color: transparent",
            "width:1px;height:1px;overflow:hidden",
            "clip: rect(0 0 0 0)",
        ] {
            assert!(hides(css).is_some(), "{css}");
        }
        for css in [
            "display:block",
            "opacity:0.9",
            "font-size:0.9em",
            "left:-1px",
            "color:#000;background:#fff",
            "font-size:12px",
            "font-size:80%",
            "height:1px",
            "width:0.5em",
        ] {
            assert_eq!(hides(css), None, "{css}");
        }
    }

    #[test]
    fn sheets_hide_by_class_and_id() {
        let mut sheet = Sheet::default();
        sheet.add(
            "body{margin:0} .x, div.y { display:none } #z{opacity:0} @media print { .w { display:none } } .v{font-size:0}",
        );
        assert!(
            sheet.hides(Some("a y"), None).is_some()
                && sheet.hides(None, Some("z")).is_some()
                && sheet.hides(Some("v"), None).is_some()
        );
        assert!(sheet.hides(Some("w"), None).is_none() && sheet.hides(Some("xx"), Some("x")).is_none());
    }
}
