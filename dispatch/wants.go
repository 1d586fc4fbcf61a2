package dispatch

import "slices"

// wants says which drivers the waiting trips would have, so that rivals are found
// without looking at everybody. It is as true as when each trip was last looked at;
// what rests on it is only who is judged together. The zero value is ready.
type wants struct {
	by map[TripID][]DriverID
	of map[DriverID][]TripID
}

// set says that trip would have the drivers of these options.
func (w *wants) set(trip TripID, options []option) {
	w.clear(trip)
	if len(options) == 0 {
		return
	}
	if w.by == nil {
		w.by, w.of = map[TripID][]DriverID{}, map[DriverID][]TripID{}
	}
	drivers := make([]DriverID, len(options))
	for i, o := range options {
		drivers[i] = o.driver.ID
		w.of[o.driver.ID] = append(w.of[o.driver.ID], trip)
	}
	w.by[trip] = drivers
}

// clear says that trip waits no more.
func (w *wants) clear(trip TripID) {
	for _, driver := range w.by[trip] {
		left := slices.DeleteFunc(w.of[driver], func(id TripID) bool { return id == trip })
		if len(left) == 0 {
			delete(w.of, driver)
		} else {
			w.of[driver] = left
		}
	}
	delete(w.by, trip)
}

// contested says whether another trip would have a driver whom trip would have.
func (w *wants) contested(trip TripID) bool {
	return slices.ContainsFunc(w.by[trip], func(driver DriverID) bool { return len(w.of[driver]) > 1 })
}
