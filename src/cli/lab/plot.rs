//! The results as a plot: what each broker does with a second of processor time.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::results::Results;
use super::spread::Spread;
use super::table;

const WIDTH: u32 = 900;
/// The height of a case, and of all that is not cases.
const CASE: u32 = 44;
const FRAME: u32 = 110;
/// The share of a case's height that bars fill.
const FILLED: f64 = 0.8;

const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(170, 170, 170),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
];

/// One bar: the case and the broker it belongs to, and messages for each second of processor time.
struct Bar {
    case: usize,
    broker: usize,
    figure: f64,
}

/// Draws the medians as bars on a logarithmic scale, as SVG.
///
/// # Errors
/// What the plotting library complains of.
pub(super) fn plot(results: &Results) -> Result<String, String> {
    let mut cases: Vec<&str> = Vec::new();
    let mut brokers: Vec<&str> = Vec::new();
    let mut bars = Vec::new();
    for case in &results.cases {
        for result in &case.brokers {
            let Some(spread) = Spread::over(result, |measured| measured.per_cpu_second) else {
                continue;
            };
            bars.push(Bar {
                case: place(&mut cases, &case.id),
                broker: place(&mut brokers, &result.broker),
                figure: spread.median,
            });
        }
    }
    let mut text = String::new();
    let height = FRAME + CASE * cases.len().max(1) as u32;
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    draw(&area, &cases, &brokers, &bars).map_err(|error| format!("cannot draw the plot: {error}"))?;
    drop(area);
    Ok(text)
}

/// Where `name` stands in `names`, put at the end when it is new.
fn place<'a>(names: &mut Vec<&'a str>, name: &'a str) -> usize {
    names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

fn draw<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    cases: &[&str],
    brokers: &[&str],
    bars: &[Bar],
) -> Result<(), Box<dyn std::error::Error>>
where
    DB::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let figures = Spread::of(bars.iter().map(|bar| bar.figure));
    let (least, most) = figures.map_or((1.0, 10.0), |spread| (spread.min / 2.0, spread.max * 2.0));
    let rows = cases.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(
            "Messages for each second of the broker's processor time",
            ("sans-serif", 18),
        )
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d((least..most).log_scale(), rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_label_formatter(&|figure| table::count(*figure))
        .y_labels(0)
        .draw()?;
    let style = ("sans-serif", 14)
        .into_font()
        .color(&BLACK)
        .pos(Pos::new(HPos::Right, VPos::Center));
    chart.draw_series(cases.iter().zip(0..).map(|(id, case)| {
        let name = Text::new((*id).to_owned(), (-8, 0), style.clone());
        EmptyElement::at((least, f64::from(case) + 0.5)) + name
    }))?;
    let thickness = FILLED / brokers.len().max(1) as f64;
    for (index, name) in brokers.iter().enumerate() {
        let colour = COLOURS.get(index % COLOURS.len()).copied().unwrap_or(BLACK);
        let of_broker = bars.iter().filter(|bar| bar.broker == index).map(|bar| {
            let top = bar.case as f64 + (1.0 - FILLED) / 2.0 + index as f64 * thickness;
            Rectangle::new([(least, top), (bar.figure, top + thickness)], colour.filled())
        });
        chart
            .draw_series(of_broker)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    if !brokers.is_empty() {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::results::{BrokerResult, CaseResult, Machine, Measurement};
    use super::*;

    fn results(figures: &[f64]) -> Results {
        let rounds = |figure: f64| {
            vec![Measurement {
                per_cpu_second: Some(figure),
                ..Measurement::default()
            }]
        };
        let brokers = figures
            .iter()
            .zip(["Leveret", "RabbitMQ"])
            .map(|(figure, name)| BrokerResult {
                broker: name.to_owned(),
                rounds: rounds(*figure),
            });
        Results {
            machine: Machine {
                cores: 1,
                processor: String::new(),
                kernel: String::new(),
                leveret: String::new(),
            },
            seconds: 1.0,
            cases: vec![CaseResult {
                id: "c1".to_owned(),
                title: String::new(),
                load: String::new(),
                brokers: brokers.collect(),
            }],
        }
    }

    #[test]
    fn a_plot_names_its_cases_and_brokers() {
        let text = plot(&results(&[3e6, 1e5])).unwrap();
        for name in ["c1", "Leveret", "RabbitMQ"] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn results_without_figures_make_an_empty_plot() {
        assert!(plot(&results(&[])).unwrap().contains("<svg"));
    }
}
