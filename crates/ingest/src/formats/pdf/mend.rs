//! Mends a PDF whose list of objects is lost or lies: the objects are searched, and a list of them is put behind.

/// So many objects are listed.
const OBJECTS_MAX: usize = 1_000_000;
/// Digits of a number of an object.
const DIGITS_MAX: usize = 8;

/// The document with a new list at its end; nothing where no object is found that could be its root.
pub(super) fn mend(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = find(bytes, b"%PDF-", 0)?;
    let body = &bytes[start..];
    let mut objects: Vec<(u32, u32, usize)> = Vec::new();
    let mut root = None;
    let mut info = None;
    let mut at = 0;
    while let Some(found) = find(body, b"obj", at).filter(|_| objects.len() < OBJECTS_MAX) {
        at = found + 3;
        let Some((number, generation, begins)) = head(&body[..found]) else { continue };
        let window = &body[at..body.len().min(at + 1024)];
        let window = &window[..find(window, b"endobj", 0).unwrap_or(window.len())];
        if find(window, b"/Catalog", 0).is_some() {
            root = Some((number, generation));
        } else if find(window, b"/Producer", 0).is_some() && find(window, b"stream", 0).is_none() {
            info = Some((number, generation));
        }
        objects.push((number, generation, begins));
    }
    let (root, root_generation) = root?;
    // The last of the same number counts: it is the newest.
    objects.sort_by_key(|(number, _, begins)| (*number, std::cmp::Reverse(*begins)));
    objects.dedup_by_key(|(number, _, _)| *number);
    let mut mended = body.to_vec();
    mended.extend_from_slice(b"\nendstream\nendobj\n");
    let list_at = mended.len();
    mended.extend_from_slice(b"xref\n0 1\n0000000000 65535 f \n");
    for (number, generation, begins) in &objects {
        mended.extend_from_slice(format!("{number} 1\n{begins:010} {generation:05} n \n").as_bytes());
    }
    let size = objects.last().map_or(1, |(number, _, _)| number + 1);
    let info = info.map(|(number, generation)| format!(" /Info {number} {generation} R")).unwrap_or_default();
    let trailer = format!("trailer\n<< /Size {size} /Root {root} {root_generation} R{info} >>\nstartxref\n{list_at}\n%%EOF\n");
    mended.extend_from_slice(trailer.as_bytes());
    Some(mended)
}

/// `12 0 ` at the end of what stands before `obj`: number, generation, and where it begins.
fn head(before: &[u8]) -> Option<(u32, u32, usize)> {
    let (generation, rest) = number(before)?;
    let (number, rest) = number(rest)?;
    let clear = rest.last().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    clear.then_some((number, generation, rest.len()))
}

/// A number and the blanks behind it, from the end.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let trimmed = bytes.trim_ascii_end();
    if trimmed.len() == bytes.len() {
        return None;
    }
    let digits = trimmed.iter().rev().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, digits) = trimmed.split_at(trimmed.len() - digits);
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| from + at)
}
