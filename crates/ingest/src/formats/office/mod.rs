//! Documents of Word, PowerPoint and Excel: archives of XML.

mod dates;
mod docx;
mod package;
mod pptx;
mod properties;
mod relations;
mod run;
mod sheet;
mod xlsx;
mod xml;

use crate::{Defect, DefectKind, Format, Unreadable, detect, draft::Draft};

use package::Package;

/// Reads an archive, if it is such a document; says which.
pub(crate) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Result<Format, Unreadable> {
    let mut package = Package::open(bytes, draft)?;
    let format = format(&package)?;
    match format {
        Format::Docx => docx::read(&mut package, draft)?,
        Format::Pptx => pptx::read(&mut package, draft)?,
        _ => xlsx::read(&mut package, draft)?,
    }
    properties::read(&mut package, draft)?;
    not_read(&package, draft);
    Ok(format)
}

fn format(package: &Package<'_>) -> Result<Format, Unreadable> {
    let has = |start: &str| package.names().any(|name| name.starts_with(start));
    if has("word/document") {
        Ok(Format::Docx)
    } else if has("ppt/presentation.xml") || has("ppt/slides/") {
        Ok(Format::Pptx)
    } else if has("xl/workbook.xml") || has("xl/worksheets/") {
        Ok(Format::Xlsx)
    } else if package.names().any(|name| name == "content.xml") {
        Err(detect::unsupported("an OpenDocument file", "save it as DOCX, PPTX or XLSX"))
    } else if package.names().any(|name| name == "xl/workbook.bin") {
        Err(detect::unsupported("a binary workbook", "save it as XLSX"))
    } else if package.was_cut() {
        Err(Unreadable::damaged("the archive ends before its first document"))
    } else {
        Err(detect::unsupported("an archive", "unpack it and upload the documents"))
    }
}

/// Names what is in the archive and was passed over.
fn not_read(package: &Package<'_>, draft: &mut Draft<'_>) {
    let count = |part: &str| package.names().filter(|name| name.contains(part)).count();
    let images = count("/media/");
    if images > 0 {
        draft.defect(Defect::new(DefectKind::ImagesNotRead, "").times(images));
    }
    for (part, what) in [("/embeddings/", "embedded documents"), ("vbaProject.bin", "macros"), ("/charts/chart", "charts")] {
        let objects = count(part);
        if objects > 0 {
            draft.defect(Defect::new(DefectKind::ObjectsNotRead, what).times(objects));
        }
    }
}
