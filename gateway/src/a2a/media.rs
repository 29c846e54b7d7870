//! The media type of a file that a turn wrote, by its name alone: nothing looks into it.

/// What is not known by its name.
const BYTES: &str = "application/octet-stream";

/// By the end of the name, in whatever case.
pub(super) fn of(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((_, end)) = name.rsplit_once('.') else {
        return BYTES;
    };
    match end.to_ascii_lowercase().as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "xml" => "application/xml",
        "json" => "application/json",
        "yaml" | "yml" => "application/yaml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        _ => BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_that_of_the_end_of_a_name_and_bytes_where_none_is_known() {
        for (path, media) in [
            ("output.txt", "text/plain"),
            ("a.b/Report.MD", "text/markdown"),
            ("a.csv/rows", BYTES),
            ("rows", BYTES),
            ("core.1234", BYTES),
            (".", BYTES),
            ("", BYTES),
        ] {
            assert_eq!(of(path), media, "{path}");
        }
    }
}
