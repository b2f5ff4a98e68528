//! JSON Schema, as far as the schemas of event formats use it. A keyword that is not known fails,
//! so that nothing is passed by being overlooked.

use serde_json::Value;

/// Keywords that say nothing of values.
const NOTES: [&str; 6] = ["description", "$comment", "$defs", "$schema", "optional", "suricata"];

/// The only pattern that the schemas have: a time with an offset.
const TIME: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d+[+\-]\d+$";

/// What is wrong with a value, and where.
pub fn check(root: &Value, value: &Value) -> Result<(), String> {
    check_at(root, root, value, "")
}

fn check_at(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{at}: {what}: {value}"));
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let is_met = match keyword.as_str() {
            "type" => is_of(value, rule),
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => {
                assert_eq!(rule, TIME, "the only pattern that is known");
                is_time(value.as_str().unwrap_or_default())
            }
            "minItems" => {
                value.as_array().is_none_or(|all| all.len() as u64 >= rule.as_u64().unwrap())
            }
            "required" => {
                let mut names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                names.all(|name| value.get(name).is_some())
            }
            "$ref" => {
                let place = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check_at(root, root.pointer(place).unwrap(), value, at)?;
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check_at(root, rule, item, &format!("{at}/{index}"))?;
                }
                true
            }
            "properties" => {
                for (name, part) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        check_at(root, rule, part, &format!("{at}/{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" if *rule == true => true,
            "additionalProperties" => {
                let known = &schema["properties"];
                let unknown = value.as_object().into_iter().flatten();
                match unknown.map(|(name, _)| name).find(|name| known.get(name).is_none()) {
                    Some(name) => return wrong(format!("{name} is no name of the schema")),
                    None => true,
                }
            }
            note if NOTES.contains(&note) => true,
            other => panic!("{at}: the keyword {other} is not known here"),
        };
        if !is_met {
            return wrong(format!("{keyword} {rule} is not met"));
        }
    }
    Ok(())
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("one type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type {other} is not known here"),
    }
}

fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00.0") else { return false };
    let rest = rest.trim_start_matches('0');
    let offset = rest.strip_prefix(['+', '-']).unwrap_or_default();
    !offset.is_empty() && offset.chars().all(|c| c == '0')
}
