//! What was measured, for people (a table) and for programs (JSON).

use std::fmt;

use serde_json::{Map, Value, json};

/// One measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What, in words: the key in JSON too.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it may be at most, if something is promised.
    pub limit: Option<f64>,
}

/// All figures of a case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(pub Vec<Figure>);

impl Figure {
    /// Whether the promise is kept; without one, it is.
    pub fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.value <= limit)
    }
}

impl Figures {
    /// Adds a figure of which nothing is promised.
    pub fn add(&mut self, what: &str, value: f64, unit: &'static str) {
        self.0.push(Figure {
            what: what.to_owned(),
            value,
            unit,
            limit: None,
        });
    }

    /// Adds a figure that may be so much at most.
    pub fn at_most(&mut self, limit: f64, what: &str, value: f64, unit: &'static str) {
        self.0.push(Figure {
            what: what.to_owned(),
            value,
            unit,
            limit: Some(limit),
        });
    }

    /// The figure of this name; NaN, of which every comparison is false, if there is none.
    pub fn of(&self, what: &str) -> f64 {
        let found = self.0.iter().find(|figure| figure.what == what);
        found.map_or(f64::NAN, |figure| figure.value)
    }

    /// The same as an object.
    pub fn json(&self) -> Value {
        let figures = self.0.iter().map(|figure| {
            let body = json!({
                "value": figure.value,
                "unit": figure.unit,
                "limit": figure.limit,
                "holds": figure.holds(),
            });
            (figure.what.clone(), body)
        });
        Value::Object(figures.collect::<Map<_, _>>())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in &self.0 {
            let verdict = match (figure.limit, figure.holds()) {
                (None, _) => String::new(),
                (Some(limit), true) => format!("   at most {limit}"),
                (Some(limit), false) => format!("   MISSED: at most {limit}"),
            };
            let (value, unit) = (round(figure.value), figure.unit);
            writeln!(f, "{:<52} {value:>10} {unit:<6}{verdict}", figure.what)?;
        }
        Ok(())
    }
}

/// Three digits are as many as such a machine can stand for.
fn round(value: f64) -> String {
    if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_above_its_limit_is_named() {
        let mut figures = Figures::default();
        figures.at_most(250.0, "p99", 250.0, "ms");
        figures.at_most(0.0, "lost", 1.0, "");
        assert_eq!(figures.0.iter().filter(|f| f.holds()).count(), 1);
        assert!(figures.to_string().contains("MISSED"));
        assert_eq!(figures.json()["lost"]["holds"], false);
        assert!(figures.of("nothing").is_nan());
    }
}
