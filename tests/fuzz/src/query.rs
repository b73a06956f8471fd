//! A query string, as it comes in a request for the API.

#![no_main]

use libfuzzer_sys::fuzz_target;
use psistats_hub::web::query;

fuzz_target!(|text: &str| {
    query::keys(Some(text)).for_each(drop);
    if let Ok([series, from]) = query::parse(Some(text), ["series", "from"]) {
        // What was understood says the same when it is written again.
        let encode = |value: &str| value.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
        let pairs = [("series", &series), ("from", &from)];
        let again: Vec<_> = pairs
            .iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", encode(value.as_deref()?))))
            .collect();
        assert_eq!(query::parse(Some(&again.join("&")), ["series", "from"]), Ok([series, from]));
    }
    let _ = query::decode(text);
});
