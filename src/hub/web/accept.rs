//! Which of two forms of an answer a client would rather have (RFC 9110 §12.5.1).

use hyper::header::{self, HeaderMap};

/// Whether a request would rather have the media type `other` than the usual one.
pub fn prefers(headers: &HeaderMap, other: &str, usual: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| is_preferred(accept, other, usual))
}

fn is_preferred(accept: &str, other: &str, usual: &str) -> bool {
    let mut weights = [0.0_f64; 2];
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or("");
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f64>);
        for (known, best) in [other, usual].into_iter().zip(&mut weights) {
            if kind.eq_ignore_ascii_case(known) {
                // Of several versions of one type, the one that is wanted most.
                *best = best.max(weight.clone().unwrap_or(0.0));
            }
        }
    }
    let [other, usual] = weights;
    other > 0.0 && other >= usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_is_given_where_it_is_asked_for() {
        let is_csv = |accept| is_preferred(accept, "text/csv", "application/json");
        for accept in
            ["text/csv", "Text/CSV; q=0.5", "application/json;q=0.9, text/csv", "text/csv, */*;q=0.1"]
        {
            assert!(is_csv(accept), "{accept}");
        }
        for accept in
            ["", "*/*", "text/*", "text/csv;q=0", "text/csv;q=x", "text/csv;q=0.5,application/json", "csv"]
        {
            assert!(!is_csv(accept), "{accept}");
        }
    }

    #[test]
    fn prometheus_2_and_3_would_rather_have_openmetrics() {
        let is_open = |accept| is_preferred(accept, "application/openmetrics-text", "text/plain");
        for accept in [
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
             text/plain;version=0.0.4;q=0.2,/;q=0.1",
        ] {
            assert!(is_open(accept), "{accept}");
        }
        assert!(!is_open("text/plain;version=0.0.4;q=1,*/*;q=0.1"));
    }
}
