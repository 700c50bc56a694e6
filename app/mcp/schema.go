package mcp

import (
	"bytes"
	"encoding/json"
)

// property is one argument of a tool, or one key of an object among them. The
// schemas are made of these by hand: what reflection makes of Go types, strict
// clients refuse.
type property struct {
	name  string
	kind  kind
	about string
	enum  []string
	keys  []property // of an object
}

// kind is the form of a property.
type kind uint8

const (
	isText kind = iota
	isFlag
	isWhole
	isNumber
	isTexts
	isObject
	isObjects
	isValue // a number, a text or two numbers
)

// nested reports whether it holds others, which some clients send encoded as text.
func (k kind) nested() bool { return k == isTexts || k == isObject || k == isObjects }

func text(name, about string) property  { return property{name: name, about: about} }
func flag(name, about string) property  { return property{name: name, kind: isFlag, about: about} }
func whole(name, about string) property { return property{name: name, kind: isWhole, about: about} }
func texts(name, about string) property { return property{name: name, kind: isTexts, about: about} }

func choice(name, about string, enum ...string) property {
	return property{name: name, about: about, enum: enum}
}

func object(name, about string, keys ...property) property {
	return property{name: name, kind: isObject, about: about, keys: keys}
}

// schema is the JSON Schema of an object with these properties, in their order.
func schema(properties []property, required ...string) json.RawMessage {
	var b bytes.Buffer
	b.WriteString(`{"type":"object",`)
	writeProperties(&b, properties)
	if len(required) > 0 {
		b.WriteString(`,"required":` + quoted(required))
	}
	b.WriteString(`}`)
	return b.Bytes()
}

func writeProperties(b *bytes.Buffer, properties []property) {
	b.WriteString(`"properties":{`)
	for i, p := range properties {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quoted(p.name) + `:`)
		p.write(b)
	}
	b.WriteByte('}')
}

func (p property) write(b *bytes.Buffer) {
	b.WriteByte('{')
	b.WriteString([...]string{
		isText: `"type":"string"`, isFlag: `"type":"boolean"`, isWhole: `"type":"integer"`, isNumber: `"type":"number"`,
		isTexts:  `"type":"array","items":{"type":"string"}`,
		isObject: `"type":"object"`, isObjects: `"type":"array","items":{"type":"object"`,
		isValue: `"anyOf":[{"type":"number"},{"type":"string"},{"type":"array","items":{"type":"number"}}]`,
	}[p.kind])
	if len(p.keys) > 0 {
		b.WriteByte(',')
		writeProperties(b, p.keys)
	}
	if p.kind == isObjects {
		b.WriteByte('}')
	}
	if p.about != "" {
		b.WriteString(`,"description":` + quoted(p.about))
	}
	if len(p.enum) > 0 {
		b.WriteString(`,"enum":` + quoted(p.enum))
	}
	b.WriteByte('}')
}

// quoted is v as JSON, with < and > as they are.
func quoted(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // only texts and lists of them are written here
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
