package device

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// readVisa reads the file and chooses the device.
func readVisa(src Source) (*visa, error) {
	root, err := readVisaFile(src.Path, src.Content)
	if err != nil {
		return nil, err
	}
	devices := root.get("devices")
	if devices == nil || devices.form != yamlMap || len(devices.keys) == 0 {
		return nil, root.errorf("devices are missing")
	}
	built := make(map[string]*visa)
	order := slices.Clone(devices.keys)
	if err := readVisaResources(src, root, built); err != nil {
		return nil, err
	}
	for name := range built {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	name := src.Device
	if name == "" {
		if len(order) > 1 {
			return nil, &FileError{Path: src.Path, Err: fmt.Errorf("there are several devices: choose one with --device, of %s", quotedList(order))}
		}
		name = order[0]
	}
	if built[name] != nil {
		return built[name], nil
	}
	d := devices.get(name)
	if d == nil {
		return nil, &FileError{Path: src.Path, Err: fmt.Errorf("there is no device %q, but %s", name, quotedList(order))}
	}
	return newVisa(name, d, nil)
}

func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// specMajor and specMinor are the newest version of the form that there is.
const specMajor, specMinor = 1, 1

// readVisaFile reads a file and checks the version of its form.
func readVisaFile(path string, content []byte) (*yamlNode, error) {
	root, err := readYAML(path, content)
	if err != nil {
		return nil, err
	}
	spec, err := root.need("spec")
	if err != nil {
		return nil, err
	}
	var version []int
	for part := range strings.SplitSeq(spec.text, ".") {
		n, err := pyInt(part)
		if err != nil || !n.IsInt64() {
			return nil, spec.errorf("spec %q: want a version such as 1.1", spec.text)
		}
		version = append(version, int(n.Int64()))
	}
	if slices.Compare(version, []int{specMajor, specMinor}) > 0 || version[0] != specMajor {
		return nil, spec.errorf("spec %s is not known: 1.0 and 1.1 are", spec.text)
	}
	return root, nil
}

// readVisaResources builds the devices that resources name, as pyvisa-sim does
// when it reads a file. Their names are of no importance here.
func readVisaResources(src Source, root *yamlNode, built map[string]*visa) error {
	resources := root.get("resources")
	if resources == nil {
		return nil
	}
	if err := resources.want(yamlMap); err != nil {
		return err
	}
	files := make(map[string]*yamlNode)
	for _, key := range resources.keys {
		res := resources.pairs[key]
		d, err := res.need("device")
		if err != nil {
			return err
		}
		in := root
		if f := res.get("filename"); f != nil {
			if in, err = otherFile(src, f, files); err != nil {
				return err
			}
		}
		def := in.get("devices").get(d.text)
		if def == nil {
			return d.errorf("resource %s: there is no device %q", key, d.text)
		}
		v, err := newVisa(d.text, def, res.get("channel_ids"))
		if err != nil {
			return err
		}
		if built[d.text] == nil {
			built[d.text] = v
		}
	}
	return nil
}

// otherFile reads a file that a resource names.
func otherFile(src Source, name *yamlNode, files map[string]*yamlNode) (*yamlNode, error) {
	if f := files[name.text]; f != nil {
		return f, nil
	}
	r := &fileReader{dir: filepath.Dir(src.Path)}
	content, err := r.readFile(name.text)
	if err != nil {
		return nil, name.errorf("%w", err)
	}
	files[name.text], err = readVisaFile(name.text, content)
	return files[name.text], err
}
