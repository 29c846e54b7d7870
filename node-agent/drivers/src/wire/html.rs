//! Pages of HTML, as gateways and proxies answer in a server's place.

/// The text of a page.
pub(crate) fn plain_of_html(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let mut text = String::new();
    let mut at = 0;
    while let Some(found) = html[at..].find('<') {
        let tag = at + found;
        text.push_str(&html[at..tag]);
        text.push(' ');
        // What scripts and styles hold is no text.
        let hidden = ["script", "style", "!--"]
            .into_iter()
            .zip(["</script", "</style", "--"])
            .find(|(name, _)| lower[tag + 1..].starts_with(name));
        let from = match hidden {
            Some((_, end)) => match lower[tag + 1..].find(end) {
                Some(found) => tag + 1 + found,
                None => html.len(),
            },
            None => tag,
        };
        at = html[from..]
            .find('>')
            .map_or(html.len(), |end| from + end + 1);
    }
    text.push_str(&html[at..]);
    html_escape::decode_html_entities(&text).into_owned()
}
