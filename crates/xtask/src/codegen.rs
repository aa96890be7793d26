//! Makes the codec's methods from the table of methods. The table is read into [`Class`]es and [`Method`]s; those are
//! written as Rust, one module per class, and formatted by rustfmt.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

/// Path of the generated file, relative to the repository's root.
pub const PATH: &str = "crates/amqp-codec/src/generated/methods.rs";

/// Path of the table, relative to the repository's root.
const SPEC_PATH: &str = "crates/amqp-codec/spec/amqp0-9-1.txt";

/// The text that belongs into [`PATH`], formatted.
///
/// # Errors
/// When the table cannot be read or breaks its rules, or rustfmt is missing.
pub fn generate(root: &Path) -> anyhow::Result<String> {
    let path = root.join(SPEC_PATH);
    let spec = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let classes = parse(&spec).with_context(|| format!("in {SPEC_PATH}"))?;
    format_rust(root, &emit(&classes))
}

/// A class of the protocol.
#[derive(Debug)]
struct Class {
    id: u16,
    name: String,
    doc: String,
    methods: Vec<Method>,
}

/// A method of a class.
#[derive(Debug)]
struct Method {
    id: u16,
    name: String,
    sender: &'static str,
    is_synchronous: bool,
    has_content: bool,
    doc: String,
    fields: Vec<Field>,
}

/// An argument of a method. Reserved ones have no name.
#[derive(Debug)]
struct Field {
    name: Option<String>,
    kind: Kind,
    doc: String,
}

/// The elementary types of AMQP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bit,
    Octet,
    Short,
    Long,
    LongLong,
    ShortStr,
    LongStr,
    Table,
}

impl Kind {
    fn parse(text: &str) -> Option<Kind> {
        Some(match text {
            "bit" => Kind::Bit,
            "octet" => Kind::Octet,
            "short" => Kind::Short,
            "long" => Kind::Long,
            "longlong" => Kind::LongLong,
            "shortstr" => Kind::ShortStr,
            "longstr" => Kind::LongStr,
            "table" => Kind::Table,
            _ => return None,
        })
    }

    fn rust_type(self) -> &'static str {
        match self {
            Kind::Bit => "bool",
            Kind::Octet => "u8",
            Kind::Short => "u16",
            Kind::Long => "u32",
            Kind::LongLong => "u64",
            Kind::ShortStr => "ShortStr",
            Kind::LongStr => "Bytes",
            Kind::Table => "FieldTable",
        }
    }

    /// The type in a borrowed form of the method.
    fn borrowed_type(self) -> &'static str {
        match self {
            Kind::ShortStr | Kind::LongStr => "&'a [u8]",
            Kind::Table => "&'a FieldTable",
            Kind::Bit | Kind::Octet | Kind::Short | Kind::Long | Kind::LongLong => self.rust_type(),
        }
    }

    /// The function of `Reader` and of `write`.
    fn function(self) -> &'static str {
        match self {
            Kind::Bit | Kind::Octet => "octet",
            Kind::Short => "short",
            Kind::Long => "long",
            Kind::LongLong => "longlong",
            Kind::ShortStr => "short_str",
            Kind::LongStr => "long_str",
            Kind::Table => "table",
        }
    }

    /// What a reserved field of this type holds.
    fn zero(self) -> &'static str {
        match self {
            Kind::ShortStr | Kind::LongStr => "&[]",
            Kind::Table => "&FieldTable::default()",
            Kind::Bit | Kind::Octet | Kind::Short | Kind::Long | Kind::LongLong => "0",
        }
    }
}

type Domains = BTreeMap<String, (Kind, String)>;

fn parse(spec: &str) -> anyhow::Result<Vec<Class>> {
    let mut domains = Domains::new();
    let mut classes: Vec<Class> = Vec::new();
    for (number, line) in (1..).zip(spec.lines()) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            parse_line(line, &mut domains, &mut classes).with_context(|| format!("line {number}: {line}"))?;
        }
    }
    ensure!(classes.is_sorted_by(|a, b| a.id < b.id), "classes must ascend by id");
    for class in &classes {
        ensure!(class.methods.is_sorted_by(|a, b| a.id < b.id), "methods of {} must ascend by id", class.name);
    }
    Ok(classes)
}

fn parse_line(line: &str, domains: &mut Domains, classes: &mut Vec<Class>) -> anyhow::Result<()> {
    let (words, doc) = line.split_once('|').unwrap_or((line, ""));
    let (words, doc) = (words.split_whitespace().collect::<Vec<_>>(), doc.trim().to_owned());
    match words[..] {
        ["domain", name, kind] => {
            ensure!(!doc.is_empty(), "a domain says what it means");
            let kind = Kind::parse(kind).context("unknown type")?;
            let earlier = domains.insert(name.to_owned(), (kind, doc));
            ensure!(earlier.is_none(), "domain defined twice");
        }
        ["class", id, name] => {
            ensure!(!doc.is_empty(), "a class says what it is for");
            classes.push(Class { id: id.parse()?, name: name.to_owned(), doc, methods: Vec::new() });
        }
        ["method", id, name, sender, ref flags @ ..] => {
            let class = classes.last_mut().context("a method follows its class")?;
            class.methods.push(parse_method(id, name, sender, flags, doc)?);
        }
        ref field => {
            let method = classes.last_mut().and_then(|class| class.methods.last_mut());
            let method = method.context("a field follows its method")?;
            method.fields.push(parse_field(field, doc, domains)?);
        }
    }
    Ok(())
}

fn parse_method(id: &str, name: &str, sender: &str, flags: &[&str], doc: String) -> anyhow::Result<Method> {
    ensure!(!doc.is_empty(), "a method says what it does");
    let sender = match sender {
        "client" => "Client",
        "server" => "Server",
        "both" => "Both",
        other => bail!("unknown sender {other}"),
    };
    let unknown = flags.iter().find(|flag| !["sync", "content"].contains(flag));
    ensure!(unknown.is_none(), "unknown flag {unknown:?}");
    Ok(Method {
        id: id.parse()?,
        name: name.to_owned(),
        sender,
        is_synchronous: flags.contains(&"sync"),
        has_content: flags.contains(&"content"),
        doc,
        fields: Vec::new(),
    })
}

fn parse_field(words: &[&str], doc: String, domains: &Domains) -> anyhow::Result<Field> {
    let (name, domain) = match *words {
        ["reserved", kind] => {
            return Ok(Field { name: None, kind: Kind::parse(kind).context("unknown type")?, doc });
        }
        [name] => (name, name),
        [name, domain] => (name, domain),
        _ => bail!("a field is a name and a domain"),
    };
    let (kind, doc) = match (Kind::parse(domain), domains.get(domain)) {
        (Some(kind), _) => (kind, doc),
        (None, Some((kind, meaning))) => (*kind, if doc.is_empty() { meaning.clone() } else { doc }),
        (None, None) => bail!("unknown domain {domain}"),
    };
    ensure!(!doc.is_empty(), "a field says what it means, itself or by its domain");
    Ok(Field { name: Some(rust_name(name)), kind, doc })
}

/// `no-wait` as `no_wait`, `type` as `type_`.
fn rust_name(name: &str) -> String {
    if name == "type" { "type_".to_owned() } else { name.replace('-', "_") }
}

/// `start-ok` as `StartOk`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(word).collect()
}

/// Fields that are read and written together: one, or up to eight bits in one octet.
fn groups(fields: &[Field]) -> Vec<&[Field]> {
    let runs = fields.chunk_by(|a, b| a.kind == Kind::Bit && b.kind == Kind::Bit);
    runs.flat_map(|run| run.chunks(8)).collect()
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => { writeln!($out, $($text)*).expect("a string takes any text") };
}

const HEADER: &str = "\
//! The methods of AMQP 0-9-1 with RabbitMQ's extensions, one module per class.
//!
//! Generated by `cargo xtask fix` from `crates/amqp-codec/spec/amqp0-9-1.txt`: change that table, not this file.

use bytes::BytesMut;

use crate::{methods::{ArgumentsError, EncodeMethod, MethodInfo}, reader::Reader};
";

fn emit(classes: &[Class]) -> String {
    let mut out = HEADER.to_owned();
    emit_enum(&mut out, classes);
    emit_enum_impls(&mut out, classes);
    for class in classes {
        emit_class(&mut out, class);
    }
    out
}

/// All methods with the names of their modules, types and variants.
fn each(classes: &[Class]) -> impl Iterator<Item = (&Class, &Method, String, String)> {
    classes.iter().flat_map(|class| {
        class.methods.iter().map(move |method| {
            let name = camel(&method.name);
            (class, method, format!("{}::{name}", class.name), format!("{}{name}", camel(&class.name)))
        })
    })
}

fn emit_enum(out: &mut String, classes: &[Class]) {
    put!(out, "\n/// A method with its arguments.");
    put!(out, "#[derive(Clone, Debug, PartialEq)]");
    put!(out, "pub enum Method {{");
    for (class, method, path, variant) in each(classes) {
        put!(out, "/// `{}.{}`: {}", class.name, method.name, method.doc);
        put!(out, "{variant}({path}),");
    }
    put!(out, "}}");
    put!(out, "\n/// What is known of each method, by class and method id.");
    put!(out, "pub(crate) const INFOS: &[&MethodInfo] = &[");
    for (_, _, path, _) in each(classes) {
        put!(out, "&{path}::INFO,");
    }
    put!(out, "];");
}

fn emit_enum_impls(out: &mut String, classes: &[Class]) {
    put!(out, "\n/// Reads the arguments of the method of those ids.");
    put!(out, "pub(crate) fn decode_arguments(class_id: u16, method_id: u16, reader: &mut Reader<'_>)");
    put!(out, "-> Result<Method, ArgumentsError> {{ Ok(match (class_id, method_id) {{");
    for (class, method, path, variant) in each(classes) {
        put!(out, "({}, {}) => Method::{variant}({path}::decode(reader)?),", class.id, method.id);
    }
    put!(out, "_ => return Err(ArgumentsError::UnknownMethod), }}) }}");

    put!(out, "\nimpl EncodeMethod for Method {{");
    put!(out, "fn info(&self) -> &'static MethodInfo {{ match self {{");
    for (_, _, path, variant) in each(classes) {
        put!(out, "Method::{variant}(_) => &{path}::INFO,");
    }
    put!(out, "}} }}\n");
    put!(out, "fn encode_arguments(&self, buf: &mut BytesMut) {{ match self {{");
    for (_, _, _, variant) in each(classes) {
        put!(out, "Method::{variant}(method) => method.encode_arguments(buf),");
    }
    put!(out, "}} }} }}");
}

fn emit_class(out: &mut String, class: &Class) {
    let fields: Vec<&Field> = class.methods.iter().flat_map(|method| &method.fields).collect();
    let named = |kind| fields.iter().any(|field| field.name.is_some() && field.kind == kind);
    put!(out, "\n/// {}", class.doc);
    put!(out, "pub mod {} {{", class.name);
    let bytes = if named(Kind::LongStr) { "{Bytes, BytesMut}" } else { "BytesMut" };
    put!(out, "use bytes::{bytes};");
    match (named(Kind::Table), named(Kind::ShortStr)) {
        (true, true) => put!(out, "use types::{{FieldTable, ShortStr}};"),
        (true, false) => put!(out, "use types::FieldTable;"),
        (false, true) => put!(out, "use types::ShortStr;"),
        (false, false) => {}
    }
    put!(out, "\nuse super::Method;");
    let write = if fields.is_empty() { "" } else { ", write" };
    put!(out, "use crate::{{DecodeError, methods::{{EncodeMethod, MethodInfo, Sender}}, reader::Reader{write}}};");
    for method in &class.methods {
        emit_method(out, class, method);
    }
    put!(out, "}}");
}

fn emit_method(out: &mut String, class: &Class, method: &Method) {
    let name = camel(&method.name);
    let named: Vec<(&String, &Field)> = method.fields.iter().filter_map(|f| f.name.as_ref().map(|n| (n, f))).collect();
    put!(out, "\n/// `{}.{}`: {}", class.name, method.name, method.doc);
    let eq = if named.iter().any(|(_, field)| field.kind == Kind::Table) { "" } else { ", Eq" };
    put!(out, "#[derive(Clone, Debug, Default, PartialEq{eq})]");
    if named.is_empty() {
        put!(out, "pub struct {name};");
    } else {
        put!(out, "pub struct {name} {{");
        for (field_name, field) in &named {
            put!(out, "/// {}\npub {field_name}: {},", field.doc, field.kind.rust_type());
        }
        put!(out, "}}");
    }
    put!(out, "\nimpl {name} {{");
    put!(out, "/// Ids, name and flags.");
    put!(out, "pub const INFO: MethodInfo = MethodInfo {{ class_id: {}, method_id: {},", class.id, method.id);
    put!(out, "name: \"{}.{}\", sender: Sender::{},", class.name, method.name, method.sender);
    put!(out, "is_synchronous: {}, has_content: {} }};", method.is_synchronous, method.has_content);
    emit_decode(out, &name, &method.fields);
    if method.has_content {
        put!(out, "\n/// The same, borrowed.\npub fn borrowed(&self) -> {name}Ref<'_> {{ {name}Ref {{");
        for (field_name, field) in &named {
            put!(out, "{field_name}: {},", in_owned(field.kind, &format!("self.{field_name}")));
        }
        put!(out, "}} }}");
    }
    put!(out, "}}");
    if method.has_content {
        put!(out, "\nimpl EncodeMethod for {name} {{ fn info(&self) -> &'static MethodInfo {{ &Self::INFO }}\n");
        put!(out, "fn encode_arguments(&self, buf: &mut BytesMut) {{ self.borrowed().encode_arguments(buf); }} }}");
        emit_borrowed(out, class, method, &named);
    } else {
        emit_encode(out, &name, &name, &method.fields, in_owned);
    }
    put!(out, "\nimpl From<{name}> for Method {{ fn from(method: {name}) -> Self {{");
    put!(out, "Method::{}{name}(method) }} }}", camel(&class.name));
}

/// The form of a method with content that is written without owning its strings.
fn emit_borrowed(out: &mut String, class: &Class, method: &Method, named: &[(&String, &Field)]) {
    let name = camel(&method.name);
    put!(out, "\n/// `{}.{}` with borrowed strings, for writing.", class.name, method.name);
    put!(out, "#[derive(Clone, Copy, Debug)]\npub struct {name}Ref<'a> {{");
    for (field_name, field) in named {
        put!(out, "/// {}\npub {field_name}: {},", field.doc, field.kind.borrowed_type());
    }
    put!(out, "}}");
    emit_encode(out, &format!("{name}Ref<'_>"), &name, &method.fields, |_, place| place.to_owned());
}

fn emit_decode(out: &mut String, name: &str, fields: &[Field]) {
    let reader = if fields.is_empty() { "_reader" } else { "reader" };
    put!(out, "\n#[inline]\npub(super) fn decode({reader}: &mut Reader<'_>) -> Result<Self, DecodeError> {{");
    let mut values = String::new();
    for (number, group) in groups(fields).into_iter().enumerate() {
        let function = group[0].kind.function();
        let names: Vec<_> = group.iter().map(|field| field.name.as_deref()).collect();
        if group[0].kind == Kind::Bit && names.iter().any(Option::is_some) {
            put!(out, "let bits{number} = reader.octet()?;");
            for (bit, field_name) in names.iter().enumerate().filter_map(|(bit, name)| name.map(|name| (bit, name))) {
                put!(values, "{field_name}: bits{number} & {} != 0,", 1 << bit);
            }
        } else if let Some(field_name) = names[0] {
            put!(out, "let {field_name} = reader.{function}()?;");
            put!(values, "{field_name},");
        } else {
            put!(out, "reader.{function}()?; // reserved");
        }
    }
    if values.is_empty() {
        put!(out, "Ok({name}) }}");
    } else {
        put!(out, "Ok({name} {{ {values} }}) }}");
    }
}

fn emit_encode(out: &mut String, on: &str, name: &str, fields: &[Field], argument: impl Fn(Kind, &str) -> String) {
    let buf = if fields.is_empty() { "_buf" } else { "buf" };
    put!(out, "\nimpl EncodeMethod for {on} {{ #[inline]");
    put!(out, "fn info(&self) -> &'static MethodInfo {{ &{name}::INFO }}\n\n#[inline]");
    put!(out, "fn encode_arguments(&self, {buf}: &mut BytesMut) {{");
    for group in groups(fields) {
        let kind = group[0].kind;
        let value = match (&group[0].name, kind) {
            (_, Kind::Bit) => bits(group),
            (None, _) => kind.zero().to_owned(),
            (Some(field_name), _) => argument(kind, &format!("self.{field_name}")),
        };
        put!(out, "write::{}(buf, {value});", kind.function());
    }
    put!(out, "}} }}");
}

/// How a field of an owned method is handed on without its being copied.
fn in_owned(kind: Kind, place: &str) -> String {
    match kind {
        Kind::ShortStr => format!("{place}.as_bytes()"),
        Kind::LongStr | Kind::Table => format!("&{place}"),
        Kind::Bit | Kind::Octet | Kind::Short | Kind::Long | Kind::LongLong => place.to_owned(),
    }
}

/// Up to eight bits as an octet, the first as the lowest.
fn bits(group: &[Field]) -> String {
    let named = group.iter().enumerate().filter_map(|(bit, field)| field.name.as_ref().map(|name| (bit, name)));
    let terms: Vec<_> = named
        .map(|(bit, name)| match bit {
            0 => format!("u8::from(self.{name})"),
            _ => format!("u8::from(self.{name}) << {bit}"),
        })
        .collect();
    if terms.is_empty() { "0".to_owned() } else { terms.join(" | ") }
}

fn format_rust(root: &Path, text: &str) -> anyhow::Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root.join(".rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt; `rustup component add rustfmt` installs it")?;
    // It reads all before it writes, so that this cannot wait for each other.
    rustfmt.stdin.take().context("rustfmt has no input")?.write_all(text.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refuses the generated text");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "\
        domain no-wait bit | Whether the answer is left out.\n\
        class 85 confirm | Confirms.\n\
        method 10 select client sync | Selects.\n\
          reserved short\n\
          no-wait\n\
          reserved bit\n\
          type shortstr | A type.\n\
        method 11 select-ok server | Selected.\n";

    fn error(spec: &str) -> String {
        format!("{:#}", parse(spec).expect_err("the table breaks a rule"))
    }

    #[test]
    fn fields_take_type_and_meaning_from_their_domain() {
        let classes = parse(SPEC).unwrap();
        let [reserved, no_wait, _, kind] = &classes[0].methods[0].fields[..] else { panic!("four fields") };
        assert_eq!(reserved.name, None);
        assert_eq!((no_wait.kind, no_wait.doc.as_str()), (Kind::Bit, "Whether the answer is left out."));
        assert_eq!(kind.name.as_deref(), Some("type_"));
    }

    #[test]
    fn consecutive_bits_share_an_octet() {
        let text = emit(&parse(SPEC).unwrap());
        assert!(text.contains("no_wait: bits1 & 1 != 0,"), "{text}");
        assert!(text.contains("write::octet(buf, u8::from(self.no_wait));"), "{text}");
        assert!(text.contains("pub struct SelectOk;"), "{text}");
    }

    #[test]
    fn a_table_that_breaks_its_rules_is_refused_with_the_line() {
        assert!(error("class 1 a | A.\nmethod 1 b nobody | B.").contains("line 2"));
        assert!(error("class 1 a | A.\nmethod 1 b client | B.\nc").contains("unknown domain c"));
        assert!(error("method 1 b client | B.").contains("follows its class"));
        assert!(error("class 2 a | A.\nclass 1 b | B.").contains("ascend"));
    }
}
