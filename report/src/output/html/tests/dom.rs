//! The page as a browser reads it: parsed by the standard's own rules.

use html5ever::tendril::TendrilSink as _;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A parsed page.
pub(super) struct Page(RcDom);

/// An element of a page.
#[derive(Clone)]
pub(super) struct Element(Handle);

impl Page {
    pub(super) fn parse(html: &str) -> Self {
        let page = Self(html5ever::parse_document(RcDom::default(), Default::default()).one(html));
        let errors = page.0.errors.borrow();
        assert!(errors.is_empty(), "{errors:?}");
        drop(errors);
        page
    }

    /// All elements, in order of the document.
    pub(super) fn all(&self) -> Vec<Element> {
        let mut found = Vec::new();
        collect(&self.0.document, &mut found);
        found
    }

    pub(super) fn named(&self, name: &str) -> Vec<Element> {
        self.all().into_iter().filter(|element| element.name() == name).collect()
    }

    pub(super) fn with_id(&self, id: &str) -> Element {
        let found = self.all().into_iter().find(|it| it.attribute("id").as_deref() == Some(id));
        found.unwrap_or_else(|| panic!("nothing has the id {id}"))
    }
}

fn collect(node: &Handle, found: &mut Vec<Element>) {
    if matches!(node.data, NodeData::Element { .. }) {
        found.push(Element(node.clone()));
    }
    node.children.borrow().iter().for_each(|child| collect(child, found));
}

impl Element {
    pub(super) fn name(&self) -> String {
        match &self.0.data {
            NodeData::Element { name, .. } => name.local.to_string(),
            _ => String::new(),
        }
    }

    pub(super) fn attributes(&self) -> Vec<(String, String)> {
        match &self.0.data {
            NodeData::Element { attrs, .. } => {
                let attributes = attrs.borrow();
                let pair =
                    |it: &html5ever::Attribute| (it.name.local.to_string(), it.value.to_string());
                attributes.iter().map(pair).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.attributes().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// All elements in it.
    pub(super) fn all(&self) -> Vec<Self> {
        let mut found = Vec::new();
        self.0.children.borrow().iter().for_each(|child| collect(child, &mut found));
        found
    }

    /// All text in it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        gather(&self.0, &mut text);
        text
    }
}

fn gather(node: &Handle, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    node.children.borrow().iter().for_each(|child| gather(child, text));
}
