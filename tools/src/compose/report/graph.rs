//! The picture of who can talk to whom.

use super::json::Report;
use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;
use std::collections::BTreeMap;

/// An SVG. Calls, signals, memories and consoles; the log reads all and would only clutter it.
pub fn graph(report: &Report) -> String {
    let mut graph = VisualGraph::new(Orientation::LeftToRight);
    let mut nodes = BTreeMap::new();
    for compartment in report.compartments.iter().filter(|compartment| !["root", "log"].contains(&&*compartment.name)) {
        let shape = match compartment.kind {
            "vm" => ShapeKind::new_box(&compartment.name),
            _ => ShapeKind::new_circle(&compartment.name),
        };
        let size = Point::new(30.0 + 9.0 * compartment.name.len() as f64, 50.0);
        let element = Element::create(shape, StyleAttr::simple(), Orientation::LeftToRight, size);
        nodes.insert(compartment.name.as_str(), graph.add_node(element));
    }
    for flow in &report.flows {
        let (Some(&from), Some(&to)) = (nodes.get(flow.from.as_str()), nodes.get(flow.to.as_str())) else { continue };
        let mut arrow = Arrow::simple(&flow.channel);
        if flow.both_ways {
            arrow.start = layout::std_shapes::shapes::LineEndKind::Arrow;
        }
        graph.add_edge(arrow, from, to);
    }
    let mut svg = SVGWriter::new();
    graph.do_it(false, false, false, &mut svg);
    let text = svg.finalize();
    // The page needs the element only, not the document's head.
    text.find("<svg").map_or(String::new(), |at| text[at..].to_owned())
}
